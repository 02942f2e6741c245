"""The backend `openai`: an endpoint writes the interpretations of windows, and texts about labels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from vimu.semantics.gates import Flag
from vimu.semantics.labels import Labels, naming
from vimu.semantics.prompts import Message, Prompts
from vimu.semantics.rounds import Draft, Request
from vimu.semantics.schema import Interpretation, parse_interpretation

Ask = Callable[[list[list[Message]]], list[tuple[str | None, str]]]
"""Prompts -> answers in their order, None with the reason where there is none: `Calls.ask`."""


class EndpointBackend:
    """Prompts made of a window's numbers alone, answers read as the schema."""

    name, learns = "openai", True

    def __init__(self, ask: Ask, prompts: Prompts, *, duration_s: float, rate_hz: float) -> None:
        self._ask, self._prompts = ask, prompts
        self._duration_s, self._rate_hz = duration_s, rate_hz

    def write(self, requests: Sequence[Request]) -> Iterator[Draft]:
        """What the endpoint answers. Raises as `Calls.ask` does."""
        for answer, problem in self._ask([self._messages(request) for request in requests]):
            if answer is None:
                yield Draft(None, None, (Flag("no_answer", problem),))
                continue
            parsed = parse_interpretation(answer)
            if isinstance(parsed, Interpretation):
                yield Draft(parsed, answer)
            else:
                yield Draft(None, answer, (Flag("schema", f"not the JSON that was asked for: {parsed}"),))

    def _messages(self, request: Request) -> list[Message]:
        first = self._prompts.window(request.numbers, duration_s=self._duration_s, rate_hz=self._rate_hz)
        before = request.before
        return first if before is None else self._prompts.again(first, before.answer, before.flags)


class LabelTexts(BaseModel):
    """An endpoint's answer about an activity."""

    texts: Annotated[list[Annotated[str, Field(min_length=20, max_length=1500)]], Field(min_length=1, max_length=20)]


def write_labels(ask: Ask, prompts: Prompts, labels: Labels, *, n: int, max_rounds: int) -> dict[str, list[str]]:
    """Texts an activity, at most `n`, that do not name it; none where no round gave one.

    Raises as `Calls.ask` does.
    """
    first = {name: prompts.label(name, activity.words, n) for name, activity in labels.activities.items()}
    pending, written = dict(first), dict[str, list[str]]()
    for _ in range(max_rounds):
        names = list(pending)
        for name, (answer, _) in zip(names, ask([pending[name] for name in names]), strict=True):
            words = (name.replace("_", " "), *labels.activities[name].words)
            texts, flags = _label_texts(answer, words)
            if texts:
                written[name] = texts[:n]
                del pending[name]
            else:
                pending[name] = prompts.again(first[name], answer, flags)
        if not pending:
            break
    return written


def _label_texts(answer: str | None, words: Sequence[str]) -> tuple[list[str], list[Flag]]:
    """The texts that may be used, or why there is none."""
    if answer is None:
        return [], [Flag("no_answer", "nothing came")]
    try:
        parsed = LabelTexts.model_validate_json(answer)
    except ValidationError:
        return [], [Flag("schema", 'not the JSON that was asked for: {"texts": ["...", "..."]}')]
    named = naming(words)
    kept = list(dict.fromkeys(text.strip() for text in parsed.texts if not named.search(text)))
    return kept, [] if kept else [Flag("activity_name", "every text names the activity")]
