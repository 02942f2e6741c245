"""The objective and one epoch of it: shared by pre-training, training from scratch and fine-tuning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.models.draws import Draws
from vimu.models.network import Classifier, Network
from vimu.models.penalty_cnn import MirroredDecoder, PenaltyCnn
from vimu.runtime.errors import OperationError
from vimu.training.augment import Layout, augment
from vimu.training.batches import Shard, epoch_groups
from vimu.training.settings import AugmentSettings


class Objective(nn.Module):
    """Cross-entropy, weighted by class, + lambda * penalty: one module, so that DDP sees every gradient of a step.

    Source: arXiv 2003.01874, section 3.
    """

    class_weight: Tensor

    def __init__(
        self,
        model: Network,
        *,
        class_weight: Float[Tensor, " N"],
        decoder: MirroredDecoder | None = None,
        penalty_weight: float = 0.0,
        noise_std: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.decoder = decoder
        self.penalty_weight = penalty_weight
        self.noise_std = noise_std
        self.register_buffer("class_weight", class_weight)

    def forward(
        self,
        x: Float[Tensor, "B L C"],
        y: Int[Tensor, " B"],
        key: Int[Tensor, " B"],
        weight: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Loss of these windows.

        Args:
            key: of the windows' draws in this step.
            weight: sum of the class weights of the whole batch, over the number of ranks that share it.
        """
        draws = Draws(key)
        penalty = torch.zeros((), device=x.device)
        if self.decoder is None:
            logits = self.model(x, draws.of("dropout"))
        else:
            assert isinstance(self.model, PenaltyCnn)
            noise = self.noise_std * draws.of("penalty").normal(*x.shape[1:])
            logits, penalty = self.decoder.beside(self.model, x, noise, draws.of("dropout"))
        each = nn.functional.cross_entropy(logits, y, weight=self.class_weight, reduction="none")
        loss: Tensor = each.sum() / weight + self.penalty_weight * penalty
        return loss


class LossNotFiniteError(OperationError):
    """The loss or its gradient became NaN or infinite; no optimiser step was taken with it. A job ends with exit 1."""


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch does beyond the objective."""

    batch_size: int
    """Windows a step over all ranks."""
    seed: int
    layout: Layout
    variation: AugmentSettings
    clip_norm: float = 5.0
    """Longest gradient; a longer one is shortened to it."""
    bf16: bool = False
    """Compute in bfloat16 where that is safe, weights and loss in float32."""


def train_epoch(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    shards: Sequence[Shard],
    plan: EpochPlan,
    *,
    epoch: int,
    std: Float[Tensor, " C"],
) -> float:
    """One epoch; the mean loss over its steps on this rank.

    Args:
        objective: `Objective`, or DDP around one.
        shards: this rank's windows. Of several, gradients are computed one after another and averaged, as those of as
            many ranks would be.
        std: of each channel over the training split.

    Raises:
        LossNotFiniteError: before the step that would have used it, in the same step on every rank.
    """
    objective.train()
    losses = []
    for step, groups in enumerate(
        epoch_groups(len(shards[0].x), batch_size=plan.batch_size, seed=plan.seed, epoch=epoch)
    ):
        optimizer.zero_grad(set_to_none=True)
        loss = torch.stack([_backward(objective, s, groups, plan, epoch, std, len(shards)) for s in shards]).sum()
        norm = nn.utils.clip_grad_norm_((p for g in optimizer.param_groups for p in g["params"]), plan.clip_norm)
        if not torch.isfinite(norm):
            raise LossNotFiniteError(_which_batch(shards, groups, loss, norm, epoch, step))
        optimizer.step()
        losses.append(loss)
    return float(torch.stack(losses).mean())


def _backward(
    objective: nn.Module, shard: Shard, groups: Int[np.ndarray, " groups"], plan: EpochPlan, epoch: int,
    std: Float[Tensor, " C"], n_parts: int,
) -> Float[Tensor, ""]:  # fmt: skip
    """Add the gradient of one of `n_parts` parts of a batch; that part of its loss."""
    device = shard.x.device
    index = torch.from_numpy(groups).to(device)
    x, y = shard.x[index].flatten(0, 1), shard.y[index].flatten()
    draws = Draws.of_epoch(shard.key[index].flatten(), seed=plan.seed, epoch=epoch)
    if not plan.variation.none:
        x = augment(x, plan.layout, plan.variation, draws.of("variation"), std=std)
    with torch.autocast(device.type, torch.bfloat16, enabled=plan.bf16):
        loss = objective(x, y, draws.key, shard.weight[index].sum()) / n_parts
    # times 1, or NaN where the loss is no number: the gradient then tells all ranks, at no cost
    part: Tensor = loss.detach()
    (loss * (part * 0 + 1)).backward()
    return part


def _which_batch(
    shards: Sequence[Shard], groups: Int[np.ndarray, " groups"], loss: Tensor, norm: Tensor, epoch: int, step: int
) -> str:
    """The batch, and who in it is to blame, as far as can be told."""
    names = np.concatenate([shard.window_id[groups].ravel() for shard in shards])
    x = torch.cat([shard.x[torch.from_numpy(groups).to(shard.x.device)].flatten(0, 1) for shard in shards])
    blamed = names[~torch.isfinite(x).all(dim=(-1, -2)).cpu().numpy()]
    shown = blamed if len(blamed) else names
    what = "of them not finite" if len(blamed) else "none of them with a value that is not finite"
    return (
        f"loss is {loss.item()}, its gradient {norm.item()} in epoch {epoch}, step {step}: "
        f"{len(names)} windows, {what}: {', '.join(shown[:5].tolist())}"
        + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
    )


def predict(model: Classifier, x: Float[np.ndarray, "n L C"]) -> Float[np.ndarray, "n N"]:
    """Class probabilities of windows, in evaluation mode."""
    return model.predict_proba(x)
