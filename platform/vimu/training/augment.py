"""Domain randomisation on a batch: what differs from wearer to wearer, drawn anew for every window and epoch.

Legend: B batch, L frames, C channels, S sensors, V vectors of theirs, G channels that gains reach.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vimu.models.draws import Draws
from vimu.training.settings import AugmentSettings


@dataclass(frozen=True)
class Layout:
    """Where each sensor's vectors and rotation matrices stand among the channels."""

    world: bool
    """Vectors are in the world frame; `ori` turns with the sensor."""
    vectors: Int[Tensor, "V 3"]
    """Channels of each vector (acc, gyr)."""
    worn_by: Int[Tensor, " V"]
    """The sensor of each vector."""
    n_sensors: int
    scaled: Int[Tensor, " G"]
    """Channels that grow with a sensor's gain: its vectors and what of them no turn changes."""
    scaled_by: Int[Tensor, " G"]
    """The sensor of each of those."""
    rotations: Int[Tensor, "S 9"] | None
    """Channels of each sensor's orientation, row by row."""


def layout_of(channels: Sequence[str]) -> Layout:
    """Read the layout from channel names such as `head.acc.x`, `head.ori.zy`."""
    index = {name: i for i, name in enumerate(channels)}
    sensors = list(dict.fromkeys(name.split(".")[0] for name in channels))
    kinds = list(dict.fromkeys(name.split(".")[1] for name in channels))
    known = [(i, f"{s}.{k}") for i, s in enumerate(sensors) for k in ("acc", "gyr") if f"{s}.{k}.x" in index]
    grows = [(i, sensors.index(name.split(".")[0])) for name, i in index.items() if name.split(".")[1] != "ori"]
    rotations = [[index[f"{s}.ori.{a}{b}"] for a in "xyz" for b in "xyz"] for s in sensors] if "ori" in kinds else None
    return Layout(
        world="ori" in kinds,
        vectors=torch.tensor([[index[f"{vector}.{a}"] for a in "xyz"] for _, vector in known]),
        worn_by=torch.tensor([i for i, _ in known]),
        n_sensors=len(sensors),
        scaled=torch.tensor([i for i, _ in grows]),
        scaled_by=torch.tensor([sensor for _, sensor in grows]),
        rotations=None if rotations is None else torch.tensor(rotations),
    )


def augment(
    x: Float[Tensor, "B L C"], layout: Layout, settings: AugmentSettings, draws: Draws, *, std: Float[Tensor, " C"]
) -> Float[Tensor, "B L C"]:
    """Windows as other wearers might have given them, on the device that holds them.

    A sensor turned by M in its own axes reads M^T v for its vectors and R M for its orientation; world-frame
    acceleration does not change. A heading H turns world vectors to H v and orientations to H R.

    Args:
        std: of each channel over the training split; what `settings.noise` counts in.
    """
    batch, frames = x.shape[0], x.shape[1]
    n_sensors = layout.n_sensors
    out = x.clone()
    vectors = x[:, :, layout.vectors]  # B L V 3
    rotations = None if layout.rotations is None else x[:, :, layout.rotations].view(batch, frames, n_sensors, 3, 3)
    if settings.misalignment_deg:
        turn = random_turns(draws.of("misalignment"), n_sensors, math.radians(settings.misalignment_deg))
        if rotations is None:
            vectors = torch.einsum("blvi,bvij->blvj", vectors, turn[:, layout.worn_by])
        else:
            rotations = torch.einsum("blsij,bsjk->blsik", rotations, turn)
    if settings.heading and rotations is not None:
        angle = draws.of("heading").uniform() * (2 * math.pi)
        cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
        heading = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], dim=1).view(batch, 3, 3)
        vectors = torch.einsum("bij,blvj->blvi", heading, vectors)
        rotations = torch.einsum("bij,blsjk->blsik", heading, rotations)
    out[:, :, layout.vectors.flatten()] = vectors.reshape(batch, frames, -1)
    if settings.scale:
        gain = 1 + settings.scale * (2 * draws.of("scale").uniform(n_sensors) - 1)
        out[:, :, layout.scaled] *= gain[:, None, layout.scaled_by]
    if layout.rotations is not None and rotations is not None:
        out[:, :, layout.rotations.flatten()] = rotations.reshape(batch, frames, -1)
    if settings.speed:
        out = at_pace(out, 1 + settings.speed * (2 * draws.of("speed").uniform() - 1), draws.of("instant").uniform())
    if settings.noise:
        out = out + settings.noise * std * draws.of("white noise").normal(*x.shape[1:])
    return out


def at_pace(
    x: Float[Tensor, "B L C"], speed: Float[Tensor, " B"], fixed: Float[Tensor, " B"]
) -> Float[Tensor, "B L C"]:
    """Each window at `speed` times its pace, linear between frames; the frame at share `fixed` of its length stays."""
    last = x.shape[1] - 1
    if not last:
        return x  # one frame is the same at any pace
    centre = (fixed * last)[:, None]
    at = centre + (torch.arange(last + 1, device=x.device) - centre) * speed[:, None]
    at = last - ((at % (2 * last)) - last).abs()
    before = at.floor().clamp(0, last - 1)
    share = (at - before)[..., None]
    index = before.long()[..., None].expand(-1, -1, x.shape[2])
    return x.gather(1, index) * (1 - share) + x.gather(1, index + 1) * share


def random_turns(draws: Draws, n: int, greatest_rad: float) -> Float[Tensor, "B n 3 3"]:
    """`n` rotation matrices a window, about random axes, by angles uniform up to `greatest_rad`.

    Source: Rodrigues' formula.
    """
    x, y, z = torch.nn.functional.normalize(draws.of("axis").normal(n, 3), dim=-1).unbind(-1)
    angle = (draws.of("angle").uniform(n) * greatest_rad)[..., None, None]
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).view(*x.shape, 3, 3)
    turns: Tensor = torch.eye(3, device=x.device) + angle.sin() * skew + (1 - angle.cos()) * (skew @ skew)
    return turns
