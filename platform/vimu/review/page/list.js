// The list of clips. Only rows that can be seen are in the page, whatever the number of clips.

import { by, make } from "./dom.js";
import { decisionsOn, nameOf, state } from "./state.js";

const ROW_PX = 46;
const BEYOND = 4; // rows above and below what is seen
const MARKS = { keep: "kept", drop: "dropped", relabel: "→ ", rate: "rate " };

export class List {
  constructor(onChoose) {
    this.clips = [];
    this.chosen = -1; // a clip's number
    this.onChoose = onChoose;
    this.shown = new Map(); // place in the list -> row
    this.box = by("list");
    this.rows = by("rows");
    this.box.addEventListener("scroll", () => this.later());
    new ResizeObserver(() => this.later()).observe(this.box);
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.choose(this.clips[Number(row.dataset.at)]);
    });
  }

  show(clips) {
    this.clips = clips;
    this.rows.style.height = `${clips.length * ROW_PX}px`;
    this.shown.clear();
    this.rows.replaceChildren();
    this.draw();
  }

  get place() {
    return this.clips.indexOf(this.chosen);
  }

  choose(clip) {
    if (clip === undefined) return;
    this.chosen = clip;
    this.intoView();
    this.show(this.clips);
    this.onChoose(clip);
  }

  // One up or down; from a clip that the filters have hidden, to where it was.
  move(step) {
    const place = this.place;
    const to = place < 0 ? 0 : Math.min(Math.max(place + step, 0), this.clips.length - 1);
    this.choose(this.clips[to]);
  }

  intoView() {
    const top = this.place * ROW_PX;
    if (top < 0) return;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const least = top + ROW_PX - this.box.clientHeight;
    if (least > this.box.scrollTop) this.box.scrollTop = least;
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - BEYOND);
    const last = Math.min(this.clips.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW_PX) + BEYOND);
    for (const [at, row] of this.shown) {
      if (at < first || at >= last) {
        row.remove();
        this.shown.delete(at);
      }
    }
    for (let at = first; at < last; at++) {
      if (this.shown.has(at)) continue;
      const row = this.row(at);
      this.shown.set(at, row);
      this.rows.append(row);
    }
    const chosen = this.shown.get(this.place);
    if (chosen) this.box.setAttribute("aria-activedescendant", chosen.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const clip = this.clips[at];
    const { clips, doubts } = state;
    const suspicion = doubts?.suspicion[clip];
    const row = make("div", { id: `row-${at}`, className: "row", title: clips.sequence[clip] },
      make("span", { className: "name", textContent: nameOf(clip) }),
      make("span", { className: "label", textContent: clips.label[clip] }),
      make("span", { className: "marks" }, ...marks(clip)),
      make("span", { className: "suspicion", textContent: suspicion === undefined ? "" : suspicion.toFixed(2) }));
    row.style.top = `${at * ROW_PX}px`;
    row.dataset.at = at;
    row.dataset.clip = clip;
    row.setAttribute("role", "option");
    row.setAttribute("aria-setsize", this.clips.length);
    row.setAttribute("aria-posinset", at + 1);
    row.setAttribute("aria-selected", clip === this.chosen);
    if (suspicion >= 0.5) row.classList.add("suspicious");
    return row;
  }
}

export function marks(clip) {
  const { label, rate } = decisionsOn(clip);
  return [label, rate].filter(Boolean).map((d) =>
    make("b", { className: `mark ${d.decision}`, title: `${d.by}${d.note ? `: ${d.note}` : ""}`,
      textContent: MARKS[d.decision] + (d.decision === "rate" ? `${d.value} Hz` : d.value) }));
}
