"""An interpretation: seven statements in words, each with the numbers it quotes and the comparisons it makes.

Every backend writes this form, so that one judge reads them all. An endpoint's answer is such a mapping as JSON.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FIELDS = (
    "strength", "direction", "rhythm", "waveform_shape", "posture_drift", "acc_gyr_synchrony", "vertical_impact",
)  # fmt: skip
"""The seven categories of DOI 10.1145/3770652, in the order of the text."""

Name = Annotated[str, Field(min_length=1, max_length=60)]


class Statement(BaseModel):
    """One field of an interpretation. What an endpoint writes is untrusted: bounded, finite, nothing besides."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1, max_length=600)]
    numbers: Annotated[dict[Name, float], Field(max_length=12)] = {}
    """Each number that the text quotes, by its feature's name."""
    greater: Annotated[tuple[tuple[Name, Name], ...], Field(max_length=12)] = ()
    """Comparisons that the text makes: (the greater feature, the lesser)."""


class Interpretation(BaseModel):
    """Seven statements about a window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: Statement
    direction: Statement
    rhythm: Statement
    waveform_shape: Statement
    posture_drift: Statement
    acc_gyr_synchrony: Statement
    vertical_impact: Statement

    def statements(self) -> Mapping[str, Statement]:
        """By field, in the order of the text."""
        return {name: getattr(self, name) for name in FIELDS}

    @property
    def text(self) -> str:
        """The whole as one text: what a text encoder reads."""
        return " ".join(statement.text for statement in self.statements().values())


def parse_interpretation(text: str) -> Interpretation | str:
    """An answer's JSON as an interpretation, or what is wrong with it, in a sentence.

    A fence of three backquotes around the JSON is taken off: many models cannot leave it.
    """
    body = text.strip()
    if body.startswith("```"):
        body = body.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return Interpretation.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        return f"{at}: {first['msg']}" if at else str(first["msg"])
