"""Prompts live in files and are versioned by their bytes: a changed word is another version, with its own cache."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from vimu.runtime.config import configs_folder
from vimu.runtime.errors import UserError
from vimu.semantics.catalogue import CATALOGUE, FEATURES
from vimu.semantics.gates import Flag
from vimu.semantics.rules import Numbers, shown

PLACES = {
    "system": frozenset[str](),
    "window": frozenset({"features", "duration_s", "rate_hz"}),
    "again": frozenset({"reasons"}),
    "label": frozenset({"label", "words", "n"}),
}
"""Each prompt's `$` places. A window's has none for the activity: what is not passed cannot be leaked."""

Message = dict[str, str]


@dataclass(frozen=True)
class Prompts:
    """The four prompts of a folder."""

    texts: Mapping[str, str]

    @property
    def version(self) -> str:
        """Of all bytes."""
        whole = "\0".join(f"{name}\0{text}" for name, text in sorted(self.texts.items()))
        return hashlib.sha256(whole.encode()).hexdigest()[:12]

    def window(self, numbers: Numbers, *, duration_s: float, rate_hz: float) -> list[Message]:
        """Messages that ask for a window's interpretation; its numbers are all that they hold of it."""
        given = {
            "features": "\n".join(_line(feature.name, numbers) for feature in CATALOGUE),
            "duration_s": f"{duration_s:.3g}",
            "rate_hz": f"{rate_hz:.4g}",
        }
        return [_message("system", self.texts["system"]), _message("user", self._filled("window", given))]

    def again(self, messages: Sequence[Message], answer: str | None, flags: Sequence[Flag]) -> list[Message]:
        """Messages that ask to write an answer again, with the reasons."""
        reasons = "\n".join(f"- {flag}" for flag in flags)
        before = [] if answer is None else [_message("assistant", answer)]
        return [*messages, *before, _message("user", self._filled("again", {"reasons": reasons}))]

    def label(self, label: str, words: Sequence[str], n: int) -> list[Message]:
        """Messages that ask for texts about an activity, which is named here."""
        given = {"label": label.replace("_", " "), "words": ", ".join(words), "n": str(n)}
        return [_message("user", self._filled("label", given))]

    def _filled(self, name: str, given: Mapping[str, str]) -> str:
        return Template(self.texts[name]).substitute(given)


def load_prompts(folder: Path | None = None) -> Prompts:
    """The shipped prompts, or a person's own folder of the same files.

    Raises:
        UserError: a file is missing, or has other places than `PLACES`.
    """
    folder = folder or configs_folder() / "semantics" / "prompts"
    texts = {}
    for name, places in PLACES.items():
        path = folder / f"{name}.md"
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"`{path}` must be a prompt, but cannot be read: {error}.") from error
        template = Template(texts[name])
        if not template.is_valid() or set(template.get_identifiers()) != places:
            wanted = ", ".join(f"${place}" for place in sorted(places)) or "none"
            raise UserError(f"`{path}` must have the places {wanted} and no other `$` (write `$$`).")
    return Prompts(texts)


def _line(name: str, numbers: Numbers) -> str:
    feature, value = FEATURES[name], numbers[name]
    unit = "" if feature.unit == "1" else f" {feature.unit}"
    return f"{name} = {'null' if value is None else shown(value) + unit} ({feature.meaning})"


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
