// Decisions: each is saved before the page shows it.

import { post } from "./api.js";
import { by, make, toast } from "./dom.js";
import { decided, decisionsOn, nameOf, state } from "./state.js";

const KEYS = [..."123456789abcefghijlmopqst"]; // of the choices of a relabel

const LONGEST = 60;
const short = (clip) => (nameOf(clip).length > LONGEST ? `${nameOf(clip).slice(0, LONGEST)} …` : nameOf(clip));

export class Deciding {
  // current(): the clip that is looked at; changed(clip): called when something was saved; next(): go on.
  constructor({ current, changed, next }) {
    Object.assign(this, { current, changed, next });
    by("keep").addEventListener("click", () => this.decide("keep"));
    by("drop").addEventListener("click", () => this.decide("drop"));
    by("relabel").addEventListener("click", () => this.askLabel());
    by("rate").addEventListener("click", () => this.askRate());
    by("clear").addEventListener("click", () => this.clear());
    by("undo").addEventListener("click", () => this.undo());
    by("note").addEventListener("keydown", (event) => event.key === "Enter" && by("list").focus());
    by("rateform").addEventListener("submit", (event) => {
      event.preventDefault();
      by("rates").close();
      this.decide("rate", by("hz").value);
    });
    by("labels").addEventListener("keydown", (event) => {
      const choice = by("choices").children[KEYS.indexOf(event.key)];
      if (choice && !event.ctrlKey && !event.metaKey && !event.altKey) choice.click();
    });
    for (const dialog of [by("labels"), by("rates")]) dialog.addEventListener("close", () => by("list").focus());
  }

  start() {
    by("relabel").disabled = !state.categories;
    if (!state.categories) by("relabel").title = "Labels of this run are the archive's own names, no categories.";
    by("choices").replaceChildren(...(state.categories ?? []).map((category, i) => {
      const button = make("button", { type: "button" }, make("kbd", { textContent: KEYS[i] ?? "" }), ` ${category}`);
      button.addEventListener("click", () => {
        by("labels").close();
        this.decide("relabel", category);
      });
      return button;
    }));
  }

  askLabel() {
    if (this.current() < 0 || !state.categories) return;
    by("labels").showModal();
  }

  askRate() {
    const clip = this.current();
    if (clip < 0) return;
    by("hz").value = decisionsOn(clip).rate?.value ?? state.clips.rate_hz[clip];
    by("rates").showModal();
    by("hz").select();
  }

  async decide(decision, value = "") {
    const clip = this.current();
    if (clip < 0) return;
    const note = by("note").value.trim();
    const saved = await this.send("/api/decide", { clip, decision, value, note });
    if (!saved) return;
    by("note").value = "";
    const what = { keep: "Kept", drop: "Dropped", relabel: `Now ${value}`, rate: `Rate ${value} Hz` }[decision];
    toast(`${what}: ${short(clip)}. U undoes it.`);
    this.changed(clip);
    if (decision !== "rate") this.next(clip);
  }

  async clear() {
    const clip = this.current();
    const done = clip >= 0 && await this.send("/api/clear", { clip });
    if (!done) return;
    toast(done.changed ? `No decision on ${short(clip)} any more. U undoes it.` : `There is no decision on ${short(clip)}.`);
    this.changed(clip);
  }

  async undo() {
    const done = await this.send("/api/undo", {});
    if (!done) return;
    if (!done.changed) return toast("Nothing is left to undo.");
    const [archive, sequence] = done.changed;
    const clip = state.clips.sequence.findIndex((name, i) => name === sequence && state.clips.archive[i] === archive);
    toast(`Undone: ${clip < 0 ? sequence.slice(-LONGEST) : short(clip)}`);
    this.changed(clip, true);
  }

  async send(path, body) {
    try {
      const answer = await post(path, body);
      decided(answer.decisions);
      return answer;
    } catch (error) {
      toast(error.message, true);
      return null;
    }
  }
}
