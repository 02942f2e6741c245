"""Stage 2: the sensor encoder learns to give a signal the vector of its text. And the softmax beside it.

Both train alike: the same encoder, variation, epochs, optimiser and class weights. Only the loss differs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.models.sensor_encoder import SensorEncoder
from vimu.semantics.align_settings import Stage2Settings
from vimu.semantics.signals import vary

Loss = Callable[[Float[Tensor, "B L 6"], Int[Tensor, " B"]], Float[Tensor, ""]]
"""Of a batch of varied windows, and which of the training windows they are."""


@dataclass(frozen=True)
class Words:
    """What the signals are to agree with."""

    targets: Float[Tensor, "B D"]
    """Each training window's text, a unit vector."""
    prototypes: Float[Tensor, "N D"]
    """Each class's label texts, a unit vector."""
    temperature: float
    weight: float
    """Of agreeing with the prototypes."""


class WithClasses(nn.Module):
    """The sensor encoder and a linear layer of classes: the softmax control."""

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.encoder = SensorEncoder(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Float[Tensor, "B L 6"]) -> Float[Tensor, "B N"]:
        """Logits."""
        return self.head(self.encoder(x))  # type: ignore[no-any-return]


def fit_sensor(
    x: Float[Tensor, "B L 6"], y: Int[Tensor, " B"], words: Words, settings: Stage2Settings, *, seed: int,
    start: SensorEncoder | None = None,
) -> tuple[SensorEncoder, list[float]]:  # fmt: skip
    """Train a sensor encoder on gravity-aligned windows; returns it and each epoch's loss.

    Args:
        y: class of each window; -1 is none.
        start: trained before, to go on from.
    """
    torch.manual_seed(seed)
    encoder = SensorEncoder(words.prototypes.shape[1])
    if start is not None:
        encoder.load_state_dict(start.state_dict())
    weight = _class_weight(y[y >= 0], len(words.prototypes))

    def loss(batch: Float[Tensor, "B L 6"], rows: Int[Tensor, " B"]) -> Float[Tensor, ""]:
        vectors = nn.functional.normalize(encoder(batch), dim=1)
        distance = (1.0 - (vectors * words.targets[rows]).sum(dim=1)).mean()
        labelled = torch.where(y[rows] >= 0)[0]
        if not words.weight or not len(labelled):
            return distance
        logits = vectors[labelled] @ words.prototypes.T / words.temperature
        return distance + words.weight * nn.functional.cross_entropy(logits, y[rows][labelled], weight=weight)

    return encoder, _fit(encoder, x, loss, settings, seed, n_labelled=int((y >= 0).sum()))


def fit_softmax(
    x: Float[Tensor, "B L 6"], y: Int[Tensor, " B"], settings: Stage2Settings, *, width: int, n_classes: int, seed: int
) -> tuple[WithClasses, list[float]]:
    """The same without words."""
    torch.manual_seed(seed)
    model = WithClasses(width, n_classes)
    weight = _class_weight(y, n_classes)

    def loss(batch: Float[Tensor, "B L 6"], rows: Int[Tensor, " B"]) -> Float[Tensor, ""]:
        return nn.functional.cross_entropy(model(batch), y[rows], weight=weight)

    return model, _fit(model, x, loss, settings, seed)


@torch.no_grad()
def outputs(model: nn.Module, x: Float[Tensor, "n L 6"], *, batch_size: int = 512) -> Float[Tensor, "n ..."]:
    """What a model makes of windows, in evaluation mode."""
    model.eval()
    return torch.cat([model(part) for part in torch.split(x, batch_size)])


def _fit(
    model: nn.Module, x: Float[Tensor, "B L 6"], loss_of: Loss, settings: Stage2Settings, seed: int,
    n_labelled: int | None = None,
) -> list[float]:  # fmt: skip
    """Train in place; returns each epoch's loss.

    Args:
        n_labelled: of the windows, that have a class: with others, epochs are fewer, so that steps are as many.
    """
    n_epochs = settings.epochs if n_labelled is None else max(1, round(settings.epochs * n_labelled / len(x)))
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    total = n_epochs * -(-len(x) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=total, pct_start=0.15)
    model.train()
    losses = []
    for _ in range(n_epochs):
        summed = 0.0
        for rows in torch.split(torch.randperm(len(x), generator=generator), settings.batch_size):
            loss = loss_of(vary(x[rows], settings.vary, generator), rows)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            summed += float(loss.detach()) * len(rows)
        losses.append(summed / len(x))
    model.eval()
    return losses


def _class_weight(y: Int[Tensor, " B"], n_classes: int) -> Float[Tensor, " N"]:
    """Classes weigh alike, a window 1 on average."""
    counts = torch.bincount(y, minlength=n_classes).float()
    return len(y) / (n_classes * counts.clamp(min=1))
