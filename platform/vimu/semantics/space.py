"""The space that texts and signals share: labels as vectors, and what agreement with them costs.

Legend: B windows, D width of the space, N classes, K label texts.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.semantics.labels import Labels


def label_texts(labels: Labels, classes: Mapping[str, Sequence[str]]) -> tuple[list[str], Int[Tensor, " K"]]:
    """Every text of every class, and the class of each: those of all its labels.

    Args:
        classes: class -> labels that count as it.
    """
    texts = [
        (text, i) for i, members in enumerate(classes.values()) for m in members for text in labels.activities[m].texts
    ]
    return [text for text, _ in texts], torch.tensor([i for _, i in texts])


def prototypes(vectors: Float[Tensor, "K D"], of_class: Int[Tensor, " K"], n_classes: int) -> Float[Tensor, "N D"]:
    """A unit vector a class: the direction of the mean of its texts'."""
    sums = torch.zeros(n_classes, vectors.shape[1]).index_add(0, of_class, vectors)
    return nn.functional.normalize(sums, dim=1)


def centred(vectors: Float[Tensor, "B D"], middle: Float[Tensor, " D"]) -> Float[Tensor, "B D"]:
    """Unit vectors seen from another point than zero.

    Texts of windows speak of one window, those of labels of many: each kind keeps to a place of its own, and what tells
    classes apart is small beside the way between the two. Seen from its own middle, each kind shows it.
    """
    return nn.functional.normalize(vectors - middle, dim=1)


def middle_of(vectors: Float[Tensor, "B D"], y: Int[Tensor, " B"], n_classes: int) -> Float[Tensor, " D"]:
    """The mean of the classes' means: no class draws it to itself by having more windows."""
    counts = torch.bincount(y, minlength=n_classes).clamp(min=1)[:, None]
    return (torch.zeros(n_classes, vectors.shape[1]).index_add(0, y, vectors) / counts).mean(dim=0)


def contrastive_loss(vectors: Float[Tensor, "B D"], y: Int[Tensor, " B"], temperature: float) -> Float[Tensor, ""]:
    """Supervised contrastive loss: of each vector, how likely it is to pick one of its own class from the others.

    A vector alone in its class has nothing to agree with and is left out. Source: arXiv 2004.11362, L_out.
    """
    similarity = vectors @ vectors.T / temperature
    itself = torch.eye(len(y), dtype=torch.bool)
    log_share = similarity - similarity.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    same = (y[:, None] == y[None, :]) & ~itself
    n_same = same.sum(dim=1)
    each = -(log_share * same).sum(dim=1) / n_same.clamp(min=1)
    return each[n_same > 0].mean() if bool((n_same > 0).any()) else each.sum() * 0.0
