// What the page knows: the clips (columns of equal length), what speaks against each, and the decisions.

import { get } from "./api.js";

export const state = { n: 0, clips: null, doubts: null, decisions: new Map(), by: "", categories: null, haystack: [] };

const key = (archive, sequence, decision) =>
  JSON.stringify([archive, sequence, decision === "rate" ? "rate" : "label"]);

export async function load() {
  const { clips, decisions, ...run } = await get("/api/run");
  Object.assign(state, run, { clips, n: clips.clip_id.length });
  decided(decisions);
  state.haystack = clips.sequence.map((sequence, i) =>
    [sequence, clips.description[i], clips.label[i], clips.rule[i], clips.clip_id[i]].join("\n").toLowerCase());
}

export function decided(decisions) {
  state.decisions = new Map(decisions.map((d) => [key(d.archive, d.sequence, d.decision), d]));
}

// The decisions on one clip: on its label (keep, drop, relabel) and on its rate.
export function decisionsOn(clip) {
  const { archive, sequence } = state.clips;
  const of = (what) => state.decisions.get(key(archive[clip], sequence[clip], what));
  return { label: of("label"), rate: of("rate") };
}

export const nameOf = (clip) => state.clips.sequence[clip].split("/").pop() || state.clips.sequence[clip];

const MATCHES = {
  open: ({ label, rate }) => !label && !rate,
  decided: ({ label, rate }) => Boolean(label || rate),
  keep: ({ label }) => label?.decision === "keep",
  drop: ({ label }) => label?.decision === "drop",
  relabel: ({ label }) => label?.decision === "relabel",
  rate: ({ rate }) => Boolean(rate),
};

// Clips that pass the filters, in order.
export function found(filters) {
  const { clips, doubts, haystack } = state;
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const list = [];
  for (let i = 0; i < state.n; i++) {
    if (filters.label && clips.label[i] !== filters.label) continue;
    if (filters.archive && clips.archive[i] !== filters.archive) continue;
    if (filters.rule && clips.rule[i] !== filters.rule) continue;
    if (filters.doubt === "corrected" ? !clips.corrected[i] : filters.doubt && !isDoubted(i, filters.doubt)) continue;
    if (words.some((word) => !haystack[i].includes(word))) continue;
    if (filters.decided !== "all" && !MATCHES[filters.decided](decisionsOn(i))) continue;
    list.push(i);
  }
  const by = {
    suspicious: (a, b) => (doubts ? doubts.suspicion[b] - doubts.suspicion[a] : 0),
    name: (a, b) => (clips.sequence[a] < clips.sequence[b] ? -1 : clips.sequence[a] > clips.sequence[b] ? 1 : 0),
    longest: (a, b) => clips.seconds[b] - clips.seconds[a],
    run: () => 0,
  }[filters.order];
  return list.sort((a, b) => by(a, b) || a - b);
}

// Half is where one would call a clip odd; a near-miss is one whatever its size.
function isDoubted(clip, kind) {
  const strength = state.doubts?.kinds[clip][kind] ?? 0;
  return kind === "near_filter" ? strength > 0 : strength >= 0.5;
}
