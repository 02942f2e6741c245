"""Write, judge, write again: at most so many rounds, then the rules' own words.

round 1: all windows ──write──> hard gates ──> soft gate ──> accepted
round 2:      └── flagged, with the reasons ──write──> ...
after the last: what is flagged still gets the text of `rules`
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vimu.semantics.gates import GATES, Flag, HardGates
from vimu.semantics.neighbours import SoftGate
from vimu.semantics.rules import Numbers
from vimu.semantics.schema import Interpretation

NumbersOf = Callable[[int], Numbers]
"""Row -> the window's rounded features."""


@dataclass(frozen=True)
class Draft:
    """What a backend wrote of a window."""

    interpretation: Interpretation | None
    answer: str | None
    """As it came, for the request to write it again; None where nothing came."""
    flags: tuple[Flag, ...] = ()
    """Why there is no interpretation."""


@dataclass(frozen=True)
class Request:
    """A window to be written, again where `before` says what was wrong."""

    row: int
    numbers: Numbers
    before: Draft | None = None


class Backend(Protocol):
    """Writes interpretations: `rules`, or an endpoint."""

    name: str
    learns: bool
    """Whether writing again, with the reasons, may give another text."""

    def write(self, requests: Sequence[Request]) -> Iterator[Draft]:
        """A draft a request, in their order."""
        ...


@dataclass(frozen=True)
class Written:
    """A window's interpretation as it is published."""

    fields: tuple[str, ...]
    """The seven statements."""
    backend: str
    """Who wrote it: `rules` also where the endpoint's was never accepted."""
    round: int
    """In which it was accepted, or given up."""
    accepted: bool
    reasons: tuple[str, ...]
    """Why it was not accepted, or, of a text taken over from `rules`, why the endpoint's was not."""

    @property
    def text(self) -> str:
        """The whole as one text."""
        return " ".join(self.fields)


@dataclass(frozen=True)
class Round:
    """One round in numbers."""

    number: int
    asked: int
    accepted: int
    flagged: dict[str, int]
    """Gate -> windows that it flagged; a window may be at several."""
    threshold: float | None
    """Of the soft gate; None where it did not judge."""


class RulesBackend:
    """The fixed thresholds."""

    name, learns = "rules", False

    def __init__(self, interpret: Callable[[Numbers], Interpretation]) -> None:
        self._interpret = interpret

    def write(self, requests: Sequence[Request]) -> Iterator[Draft]:
        """Never fails, and always writes the same."""
        for request in requests:
            yield Draft(self._interpret(request.numbers), None)


def write_all(
    backend: Backend, rules: RulesBackend, numbers: NumbersOf, n_windows: int, *,
    hard: HardGates | None, soft: SoftGate | None, max_rounds: int,
) -> tuple[list[Written], list[Round]]:  # fmt: skip
    """Every window's interpretation, and the rounds it took.

    Args:
        hard: None judges nothing: what can be read is accepted.
        soft: likewise.
    """
    done: dict[int, Written] = {}
    texts: dict[int, str] = {}
    pending = [Request(row, numbers(row)) for row in range(n_windows)]
    rounds: list[Round] = []
    for number in range(1, (max_rounds if backend.learns else 1) + 1):
        drafts, flags = _judged(backend, pending, hard)
        passed = {row: d.interpretation for row, d in drafts.items() if d.interpretation is not None and not flags[row]}
        texts |= {row: interpretation.text for row, interpretation in passed.items()}
        unlike, threshold = soft.unlike(texts, list(passed)) if soft is not None else ({}, None)
        for row, similarity in unlike.items():
            says = (
                f"reads unlike windows that measure alike: similarity {similarity:.2f}, usual is above {threshold:.2f}"
            )
            flags[row] = [Flag("unlike_neighbours", says)]
            if backend.learns:
                del texts[row]
        for row, interpretation in passed.items():
            if not flags[row]:
                done[row] = Written(_fields(interpretation), backend.name, number, True, ())
        gates = Counter(gate for row in flags for gate in {flag.gate for flag in flags[row]})
        rounds.append(
            Round(
                number, len(pending), sum(not found for found in flags.values()),
                {gate: gates[gate] for gate in GATES if gates[gate]}, threshold,
            )
        )  # fmt: skip
        pending = [
            Request(r.row, r.numbers, Draft(None, drafts[r.row].answer, tuple(flags[r.row])))
            for r in pending
            if flags[r.row]
        ]
        if not pending:
            break
    for request, draft in zip(pending, rules.write(pending), strict=True):
        assert draft.interpretation is not None
        assert request.before is not None
        reasons = tuple(str(flag) for flag in request.before.flags)
        done[request.row] = Written(_fields(draft.interpretation), rules.name, len(rounds), False, reasons)
    return [done[row] for row in range(n_windows)], rounds


def _judged(
    backend: Backend, pending: Sequence[Request], hard: HardGates | None
) -> tuple[dict[int, Draft], dict[int, list[Flag]]]:
    """A round's drafts, and what the hard gates say of them."""
    drafts: dict[int, Draft] = {}
    flags: dict[int, list[Flag]] = {}
    for request, draft in zip(pending, backend.write(pending), strict=True):
        drafts[request.row], flags[request.row] = draft, list(draft.flags)
        if draft.interpretation is not None and hard is not None:
            flags[request.row] += hard.flags(draft.interpretation, request.numbers)
    return drafts, flags


def _fields(interpretation: Interpretation) -> tuple[str, ...]:
    return tuple(statement.text for statement in interpretation.statements().values())
