// The page: filters and list on the left, the chosen clip on the right, everything by keyboard too.

import { arrays, get } from "./api.js";
import { Curves } from "./curves.js";
import { Deciding } from "./deciding.js";
import { showFacts } from "./details.js";
import { by, choices, toast, write } from "./dom.js";
import { List } from "./list.js";
import { Player } from "./player.js";
import { Scene } from "./scene.js";
import { decisionsOn, found, load, state } from "./state.js";

const FILTERS = ["text", "label", "archive", "rule", "decided", "doubt", "order"];
const POLL_MS = 1000;
const REST_MS = 70; // who runs down the list by holding a key asks for nothing on the way

const player = new Player();
const scene = new Scene();
const curves = new Curves((time) => player.seek(time));
const list = new List(choose);
const deciding = new Deciding({ current: () => list.chosen, changed, next });
player.follow((time) => scene.at(time));
player.follow((time) => curves.at(time));

let loading = new AbortController();
let row = null; // all of the chosen clip's row, once it is there

async function choose(clip) {
  const { clips } = state;
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  history.replaceState(null, "", `#clip=${clips.clip_id[clip]}`);
  by("note").value = "";
  row = null;
  showFacts(clip, row);
  player.load(clips.seconds[clip], 1 / clips.rate_hz[clip]);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  if (signal.aborted) return;
  const shown = (promise, show, failed) => promise.then((answer) => signal.aborted || show(answer),
    (error) => signal.aborted || failed(error.message));
  await Promise.all([
    shown(get(`/api/clips/${clip}`), (answer) => showFacts(clip, row = answer), (why) => toast(why, true)),
    shown(arrays(`/api/clips/${clip}/signals`, signal), (signals) => {
      player.load((signals.n_frames - 1) / signals.rate_hz, 1 / signals.rate_hz);
      curves.show(signals);
    }, (why) => curves.clear(why)),
    shown(arrays(`/api/clips/${clip}/take`, signal), (take) => {
      scene.show(take);
      if (take.notes.length) toast(take.notes.join(" "), true);
    }, (why) => scene.clear(`${why} The curves are what was stored.`)),
  ]);
  if (!signal.aborted) document.body.dataset.shown = clip; // says to tests that all of it is there
}

function changed(clip, goThere = false) {
  count();
  filter();
  if (goThere && clip >= 0) list.choose(clip);
  else if (clip === list.chosen) showFacts(clip, row);
}

// After a decision: the clip that follows in the list, also where the filters hide the decided one by now.
function next(clip) {
  const { clips } = list;
  if (list.chosen !== clip) return; // who has gone elsewhere meanwhile stays there
  const place = clips.indexOf(clip);
  const following = place >= 0 ? clips[place + 1] : clips[Math.min(list.before, clips.length - 1)];
  if (following !== undefined) list.choose(following);
}

function nextOpen() {
  const start = list.place;
  const open = list.clips.find((clip, at) => at > start && !decisionsOn(clip).label && !decisionsOn(clip).rate);
  if (open === undefined) toast("No undecided clip follows in the list.");
  else list.choose(open);
}

function filter() {
  list.before = Math.max(list.place, 0);
  const filters = Object.fromEntries(FILTERS.map((name) => [name, by(name).value]));
  list.show(found(filters));
  by("found").textContent = `${list.clips.length.toLocaleString("en")} of ${state.n.toLocaleString("en")} clips`;
}

function count() {
  const made = [...state.decisions.values()];
  const files = state.file.split("/").pop();
  write(by("counts"), `${made.length} decision${made.length === 1 ? "" : "s"} in ${files}, you are ${state.by}`);
  by("counts").title = state.file;
}

function fill() {
  const tally = (column) => {
    const n = new Map();
    for (const value of column) n.set(value, (n.get(value) ?? 0) + 1);
    return [["", "all"], ...[...n].sort().map(([value, times]) => [value, `${value} (${times})`])];
  };
  for (const name of ["label", "archive", "rule"]) choices(by(name), tally(state.clips[name]));
  choices(by("decided"), [["all", "all"], ["open", "undecided"], ["decided", "decided"], ["keep", "kept"],
    ["drop", "dropped"], ["relabel", "relabelled"], ["rate", "rate corrected"]]);
  choices(by("doubt"), [["", "all"], ["label", "label and signal disagree"], ["filter", "a filter would drop it"],
    ["near_filter", "a filter nearly drops it"], ["rate", "too fast or too slow"], ["corrected", "rate was corrected"]]);
  choices(by("order"), [["suspicious", "suspicion"], ["name", "name"], ["longest", "length"], ["run", "as in run"]]);
}

async function watchDoubts() {
  by("scoring").textContent = "looking for suspicious clips …";
  for (;;) {
    const answer = await get("/api/doubts").catch((error) => ({ state: "failed", why: error.message }));
    if (answer.state === "failed") by("scoring").textContent = `no suspicion: ${answer.why}`;
    if (answer.state === "done") {
      state.doubts = answer;
      by("scoring").textContent = "";
      filter();
      if (list.chosen >= 0) showFacts(list.chosen, row);
      list.intoView();
      return;
    }
    if (answer.state !== "working") return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const ACTIONS = {
  ArrowDown: () => list.move(1), ArrowUp: () => list.move(-1),
  PageDown: () => list.move(10), PageUp: () => list.move(-10),
  ArrowLeft: (event) => player.step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => player.step(event.shiftKey ? 10 : 1),
  " ": () => player.toggle(), p: () => player.toggle(), n: nextOpen, "/": () => by("text").focus(),
  k: () => deciding.decide("keep"), d: () => deciding.decide("drop"), r: () => deciding.askLabel(),
  w: () => deciding.askRate(), m: () => by("note").focus(), c: () => deciding.clear(), u: () => deciding.undo(),
  v: () => scene.nextAngle(), s: () => by("surface").click(), Escape: () => by("list").focus(),
};

const REPEATED = /^(Arrow|Page)/;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target } = event;
  const typed = target.matches("input:not([type=range]):not([type=checkbox])");
  const own = typed || target.matches("select") || (target.matches("button") && event.key === " ")
    || (target.matches("input") && [" ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key));
  if (own && event.key !== "Escape") return;
  if (event.repeat && !REPEATED.test(event.key)) return; // a key held down decides once
  const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

for (const name of FILTERS) by(name).addEventListener("input", filter);

function named() {
  return state.clips.clip_id.indexOf(new URLSearchParams(location.hash.slice(1)).get("clip"));
}

addEventListener("hashchange", () => {
  const clip = named();
  if (clip >= 0 && clip !== list.chosen) list.choose(clip);
});

try {
  await load();
  write(by("run"), state.run);
  by("run").title = state.run;
  by("synthetic").hidden = !state.synthetic;
  fill();
  count();
  deciding.start();
  filter();
  if (named() >= 0) list.choose(named());
  by("list").focus();
  await watchDoubts();
  if (list.chosen < 0) list.move(0);
} catch (error) {
  toast(error.message, true);
}
