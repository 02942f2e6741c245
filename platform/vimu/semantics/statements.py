"""The space of statements: what is said of a window, field by field, side by side in one vector.

A text encoder makes one vector of a whole text, in which seven statements blur: of windows from stairs, a few words
among a hundred tell up from down. Here each statement is encoded by itself, without its numbers, and seen from the
middle of its field, so that `Vertical impacts are hard` differs from `Vertical impacts are soft` by all its length. A
label's text is cut into sentences; each counts in the field whose statements it is most like.

    window:  seven statements -> seven vectors, each in its field's place  -> unit length
    label:   some sentences   -> each into the place of its field, their mean -> unit length, fields it leaves out are 0

Their cosine is the mean agreement over the fields. Legend: B windows, F fields, D width of the text encoder, P width of
a field, S distinct statements, K sentences.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.semantics.schema import FIELDS

FIELD_WIDTH = 64
"""Of a field's place: statements of all fields vary in no more directions."""
NUMBER = re.compile(
    r",?\s*(?:of |by |near |about )?[-+]?\d[\d.,]*\s*(?:m/s\^[23]|rad/s|Hz|degrees|g\b|s\b|%)?(?: at most)?"
)
Embed = Callable[[Sequence[str]], Float[Tensor, "n D"]]


def plain(text: str) -> str:
    """A sentence without its numbers and full stop: numbers were judged, and a text encoder makes noise of them."""
    return " ".join(NUMBER.sub("", text).split()).strip(" .!?;")


def sentences(text: str) -> list[str]:
    """Of a text, without numbers."""
    return [s for s in map(plain, re.split(r"(?<=[.!?;])\s+", text)) if s]


@dataclass(frozen=True)
class StatementSpace:
    """Learnt from the statements about training windows; none of a test window's is looked at."""

    origin: Float[Tensor, " D"]
    basis: Float[Tensor, "D P"]
    middles: Float[Tensor, "F P"]
    """Of each field, the mean of its distinct statements."""
    known: Float[Tensor, "S P"]
    """Distinct statements as unit vectors seen from `origin`."""
    field_of: Int[Tensor, " S"]

    @classmethod
    def learnt(cls, statements: Iterable[Sequence[str]], labels: Sequence[str], embed: Embed) -> "StatementSpace":
        """From windows' statements and labels' texts.

        Args:
            statements: of each window, one a field.
            labels: texts of labels, which span the basis as well.
        """
        owners: dict[str, int] = {}
        for of_window in statements:
            for field, text in enumerate(of_window):
                owners.setdefault(plain(text), field)
        known = sorted(owners)
        said = sorted({s for text in labels for s in sentences(text)})
        vectors = embed([*known, *said])
        origin = vectors.mean(dim=0)
        _, _, directions = torch.linalg.svd(vectors - origin, full_matrices=False)
        basis = directions[:FIELD_WIDTH].T.contiguous()
        placed = (vectors[: len(known)] - origin) @ basis
        field_of = torch.tensor([owners[s] for s in known])
        middles = torch.stack([
            placed[field_of == f].mean(dim=0) if bool((field_of == f).any()) else torch.zeros(basis.shape[1])
            for f in range(len(FIELDS))
        ])  # fmt: skip
        return cls(origin, basis, middles, nn.functional.normalize(placed, dim=1), field_of)

    @property
    def width(self) -> int:
        """Of the whole space, F times P."""
        return len(FIELDS) * self.basis.shape[1]

    def of_windows(self, statements: Sequence[Sequence[str]], embed: Embed) -> Float[Tensor, "B D"]:
        """A unit vector a window.

        Args:
            statements: of each window, one a field.
        """
        distinct = sorted({plain(text) for of_window in statements for text in of_window})
        row = {text: i for i, text in enumerate(distinct)}
        placed = (embed(distinct) - self.origin) @ self.basis
        rows = torch.tensor([[row[plain(text)] for text in of_window] for of_window in statements])
        each = nn.functional.normalize(placed[rows] - self.middles, dim=2)
        return nn.functional.normalize(each.flatten(1), dim=1)

    def of_labels(self, texts: Sequence[Sequence[str]], embed: Embed) -> Float[Tensor, "N D"]:
        """A unit vector a label.

        Args:
            texts: of each label, one or several.
        """
        flat = [(s, i) for i, of_label in enumerate(texts) for text in of_label for s in sentences(text) or [text]]
        placed = (embed([s for s, _ in flat]) - self.origin) @ self.basis
        field = self.field_of[(nn.functional.normalize(placed, dim=1) @ self.known.T).argmax(dim=1)]
        label = torch.tensor([i for _, i in flat])
        sums = torch.zeros(len(texts), len(FIELDS), placed.shape[1])
        sums.index_put_((label, field), placed - self.middles[field], accumulate=True)
        return nn.functional.normalize(nn.functional.normalize(sums, dim=2).flatten(1), dim=1)

    def state(self) -> dict[str, Tensor]:
        """As tensors, for a file."""
        return {name: getattr(self, name) for name in ("origin", "basis", "middles", "known", "field_of")}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "StatementSpace":
        """What `state` gave. Raises KeyError, TypeError: it is none."""
        return cls(**{name: state[name] for name in ("origin", "basis", "middles", "known", "field_of")})
