// What is known of the chosen clip, in words.

import { by, make, write } from "./dom.js";
import { marks } from "./list.js";
import { nameOf, state } from "./state.js";

const fact = (name, ...value) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, ...value));

export function showFacts(clip, row) {
  const { clips } = state;
  by("name").replaceChildren(make("span", { textContent: nameOf(clip) }), " ", ...marks(clip));
  by("name").title = clips.sequence[clip];
  const rate = row && row.file_rate_hz !== row.source_rate_hz
    ? `${row.source_rate_hz} Hz (the file says ${row.file_rate_hz})` : `${clips.rate_hz[clip]} Hz`;
  by("facts").replaceChildren(
    fact("label", make("b", { textContent: clips.label[clip] })), fact("rule", clips.rule[clip]),
    fact("rate", rate), fact("length", `${clips.seconds[clip]} s`), fact("archive", clips.archive[clip]),
    ...(row?.subject ? [fact("subject", row.subject)] : []),
    ...(row?.body ? [fact("body", `${row.body}${row.gender ? `, ${row.gender}` : ""}`)] : []));
  write(by("path"), clips.sequence[clip]);
  write(by("description"), row?.description ?? clips.description[clip]);
  by("notes").replaceChildren(...(row?.notes ?? []).map((note) => make("li", { textContent: note })));
  const reasons = state.doubts?.reasons[clip] ?? [];
  by("reasons").replaceChildren(...reasons.map((reason) => make("li", { textContent: reason })));
}
