"""Curation: people's decisions carried out take by take, with an account of what became of each.

Source: arXiv 2003.01874, section 2.1, step 3: clips looked at one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vimu.clips.decisions import Decision, Key, read_decisions
from vimu.clips.labels import Label
from vimu.contracts import Motion, Reason, Rejection, Take
from vimu.runtime.errors import UserError

BY_PERSON = "decision:"
"""Begins the `rule` of a clip whose label a person gave or confirmed."""


def by_person(rule: str) -> bool:
    """Whether a clip's label stands by a person's decision: no filter may then remove the clip."""
    return rule.startswith(BY_PERSON)


@dataclass(frozen=True)
class Curated:
    """What is known of a take before its file is read."""

    label: Label
    rate_hz: float | None = None
    """In place of the file's; None takes that."""
    notes: tuple[str, ...] = ()
    """Who decided what and why, for the clip's row."""


class Curation:
    """The decisions of a run. Every one is either carried out or accounted for as without effect."""

    def __init__(self, decisions: Iterable[Decision], *, relabels: bool) -> None:
        """`relabels`: whether labels are categories; else a `relabel`, which names one, has no effect."""
        self._decisions: dict[Key, Decision] = {decision.key: decision for decision in decisions}
        self._relabels = relabels
        self._files: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
        self._done: set[Key] = set()

    def found(self, take: Take, file: Path) -> None:
        """Say that a take is there. Before `decide`, and whatever becomes of the take."""
        self._files[take.archive, take.sequence].append(file)

    def decide(self, take: Take, by_rules: Callable[[], Label]) -> Curated:
        """The take's label by a person's decision, else by the rules; and its rate, where a person corrected it.

        Raises:
            Rejection: `removed_by_person`; or what `by_rules` raises: a `keep` gives no label where rules give none.
        """
        label, notes = self._label(take, by_rules)
        rate = self._decisions.get((take.archive, take.sequence, "rate"))
        if rate is None:
            return Curated(label, None, notes)
        self._done.add(rate.key)
        return Curated(label, float(rate.value), (*notes, _because(f"rate of {rate.value} Hz by {rate.by}", rate)))

    def _label(self, take: Take, by_rules: Callable[[], Label]) -> tuple[Label, tuple[str, ...]]:
        decision = self._decisions.get((take.archive, take.sequence, "label"))
        if decision is None or (decision.decision == "relabel" and not self._relabels):
            return by_rules(), ()
        rule = BY_PERSON + decision.by
        if decision.decision == "drop":
            self._done.add(decision.key)
            raise Rejection(take.sequence, Reason.REMOVED_BY_PERSON, _because(decision.by, decision))
        if decision.decision == "relabel":
            self._done.add(decision.key)
            return Label(decision.value, rule), (_because(f"relabelled by {decision.by}", decision),)
        kept = by_rules()
        self._done.add(decision.key)
        return Label(kept.name, rule), (_because(f"kept by {decision.by}, labelled by `{kept.rule}`", decision),)

    def check(self) -> None:
        """Raise a UserError where a decision's take lies in several files: it cannot mean all of them."""
        several = [
            f"`{archive}` `{sequence}`: {', '.join(map(str, self._files[archive, sequence]))}"
            for archive, sequence in sorted({key[:2] for key in self._decisions})
            if len(self._files.get((archive, sequence), ())) > 1
        ]
        if several:
            raise UserError(
                "each of `decisions` must name one file, but these name several:\n  - " + "\n  - ".join(several)
            )

    def counts(self) -> dict[str, int]:
        """Decisions that were carried out, by kind, and those without effect; empty where there are no decisions."""
        if not self._decisions:
            return {}
        kinds = Counter(self._decisions[key].decision for key in self._done)
        return dict(sorted(kinds.items())) | {"without_effect": len(self._decisions) - len(self._done)}

    def without_effect(self) -> list[str]:
        """The decisions that changed nothing, each with the reason."""
        return [
            f"{decision.archive} {decision.sequence}: {decision}, {self._why(decision)}"
            for key, decision in sorted(self._decisions.items())
            if key not in self._done
        ]

    def table(self, limit: int = 20) -> list[tuple[str, int]]:
        """`without_effect` to show: a count of one each, those beyond `limit` together."""
        lines = self.without_effect()
        rest = [("more, see the manifest", len(lines) - limit)] if len(lines) > limit else []
        return [(line, 1) for line in lines[:limit]] + rest

    def _why(self, decision: Decision) -> str:
        if (decision.archive, decision.sequence) not in self._files:
            return "no such file"
        if decision.decision == "relabel" and not self._relabels:
            return "labels are no categories"
        return "left out for another reason"


def load_curation(file: Path | None, categories: Collection[str] | None) -> Curation:
    """Curation by a file's decisions, or by none; `categories` is None where labels are none. Raises UserError."""
    decisions = () if file is None else read_decisions(file, categories)
    return Curation(decisions, relabels=categories is not None)


def as_decided(motion: Motion, rate_hz: float | None, notes: Sequence[str]) -> Motion:
    """A take as its file has it, with the rate and the notes of a person's decision."""
    if rate_hz is not None:
        file_rate_hz = motion.rate_hz if motion.file_rate_hz is None else motion.file_rate_hz
        motion = replace(motion, rate_hz=rate_hz, file_rate_hz=file_rate_hz)
    return replace(motion, notes=(*motion.notes, *notes))


def _because(what: str, decision: Decision) -> str:
    return f"{what}: {decision.note}" if decision.note else what
