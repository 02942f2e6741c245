"""The objective and one epoch of it: shared by pre-training, training from scratch and fine-tuning."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.models.penalty_cnn import PenaltyCnn
from vimu.training.augment import AugmentSettings, Layout, augment
from vimu.training.batches import epoch_groups


class Objective(nn.Module):
    """Cross-entropy, weighted by class, + lambda * penalty: one module, so that DDP sees every gradient of a step.

    Source: arXiv 2003.01874, section 3.
    """

    class_weight: Tensor

    def __init__(self, model: PenaltyCnn, *, penalty_weight: float, class_weight: Float[Tensor, " N"]) -> None:
        super().__init__()
        self.model = model
        self.penalty_weight = penalty_weight
        self.register_buffer("class_weight", class_weight)
        if penalty_weight == 0:
            model.decoder.requires_grad_(False)  # no gradient reaches it: the plain CNN, exactly

    def forward(
        self, x: Float[Tensor, "B L C"], y: Int[Tensor, " B"], noise: Float[Tensor, "B L C"] | None
    ) -> Float[Tensor, ""]:
        loss = nn.functional.cross_entropy(self.model(x), y, weight=self.class_weight)
        if noise is not None:
            loss = loss + self.penalty_weight * self.model.penalty(x, noise)
        return loss


@dataclass(frozen=True)
class Shard:
    """The windows a rank holds: `share` of each group of 8."""

    x: Float[Tensor, "groups share L C"]
    y: Int[Tensor, "groups share"]


class LossNotFiniteError(Exception):
    """The loss became NaN or infinite; no optimiser step was taken with it."""


def train_epoch(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    shard: Shard,
    *,
    batch_size: int,
    noise_std: float | None,
    seed: int,
    epoch: int,
    rank: int = 0,
    layout: Layout,
    variation: AugmentSettings,
) -> float:
    """One epoch; the mean loss over its steps on this rank.

    Args:
        objective: `Objective`, or DDP around one.
        noise_std: of the penalty branch; None leaves that branch out.
        layout: of the channels, for the variation.

    Raises:
        LossNotFiniteError: before the step that would have used it.
    """
    objective.train()
    losses = []
    for step, groups in enumerate(epoch_groups(len(shard.x), batch_size=batch_size, seed=seed, epoch=epoch)):
        index = torch.from_numpy(groups)
        x, y = shard.x[index].flatten(0, 1), shard.y[index].flatten()
        generator = torch.Generator().manual_seed(key(seed, epoch, step, rank))
        if not variation.none:
            x = augment(x, layout, variation, generator)
        noise = None if noise_std is None else torch.randn(x.shape, generator=generator) * noise_std
        loss = objective(x, y, noise)
        if not torch.isfinite(loss):
            raise LossNotFiniteError(f"loss is {loss.item()} in epoch {epoch}, step {step}, rank {rank}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_((p for g in optimizer.param_groups for p in g["params"]), max_norm=5.0)
        optimizer.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def key(*parts: int) -> int:
    """A seed for these numbers together: draws do not depend on what was drawn before."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@torch.inference_mode()
def predict(model: PenaltyCnn, x: Float[np.ndarray, "n L C"], *, batch_size: int = 512) -> Float[np.ndarray, "n N"]:
    """Class probabilities of windows, in evaluation mode."""
    model.eval()
    parts = [
        torch.softmax(model(torch.from_numpy(x[i : i + batch_size])), dim=1).numpy()
        for i in range(0, len(x), batch_size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, model.n_classes), np.float32)


def channel_statistics(x: Float[np.ndarray, "n L C"]) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Mean and standard deviation of each channel, of a training split."""
    return torch.from_numpy(x.mean(axis=(0, 1))), torch.from_numpy(x.std(axis=(0, 1)))


def class_weights(y: Int[np.ndarray, " n"], n_classes: int) -> Float[Tensor, " N"]:
    """Inverse frequency, mean 1 over the classes that occur; 0 for those that do not."""
    count = np.bincount(y, minlength=n_classes).astype(np.float64)
    weight = np.where(count > 0, 1 / np.maximum(count, 1), 0.0)
    return torch.from_numpy(weight / weight[count > 0].mean()).float()
