"""Random numbers that belong to windows: they depend on seed, epoch and window, not on who shares a batch or a rank.

A window's numbers are splitmix64's: number i is the mixed bits of key + i * GAMMA. So any of them is had at once, for
all windows of a batch, on the batch's device. Legend: B windows of the batch.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def _int64(unsigned: int) -> int:
    """The same 64 bits as torch's signed integers have them."""
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


GAMMA, FIRST, SECOND = (_int64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def window_keys(window_ids: Iterable[str]) -> Int[np.ndarray, " windows"]:
    """64 bits of each window's name: the same wherever and in whatever order the window stands."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in window_ids)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


@dataclass(frozen=True)
class Draws:
    """Streams of random numbers, one a window."""

    key: Int[Tensor, " B"]

    @classmethod
    def of_epoch(cls, windows: Int[Tensor, " B"], *, seed: int, epoch: int) -> "Draws":
        """What these windows (`window_keys`) draw in an epoch."""
        word = int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])
        return cls(_mixed(windows ^ _int64(word)))

    def of(self, purpose: str) -> "Draws":
        """Streams of their own for a purpose: what one purpose draws does not move what another does."""
        word = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")
        return Draws(_mixed(self.key ^ _int64(word)))

    def uniform(self, *shape: int) -> Float[Tensor, "B ..."]:
        """From [0, 1), of `shape` a window."""
        high = _shifted(self._bits(math.prod(shape)), 40)
        return (high.float() * 2.0**-24).view(-1, *shape)

    def normal(self, *shape: int) -> Float[Tensor, "B ..."]:
        """Of mean 0 and deviation 1, of `shape` a window. Source: Box and Muller, 1958."""
        n = math.prod(shape)
        bits = self._bits(-(-n // 2))
        radius = ((_shifted(bits, 40) + 1).float() * 2.0**-24).log_().mul_(-2).sqrt_()
        angle = (bits & 0xFFFFFF).float() * (2 * math.pi * 2.0**-24)
        both = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
        return both[:, :n].reshape(-1, *shape)

    def _bits(self, n: int) -> Int[Tensor, "B n"]:
        counter = torch.arange(1, n + 1, device=self.key.device)
        return _mixed(self.key[:, None] + counter * GAMMA)


def dropout(x: Float[Tensor, "B ..."], share: float, draws: Draws | None) -> Float[Tensor, "B ..."]:
    """`x` with a share of its values zero and the others larger by as much; as it is without `draws`."""
    if draws is None or share == 0:
        return x
    keep = draws.uniform(*x.shape[1:]) >= share
    return x * keep / (1 - share)


def _mixed(bits: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """splitmix64's finaliser, in place where it may: a third of the time."""
    bits = bits ^ _shifted(bits, 30)
    bits.mul_(FIRST)
    bits.bitwise_xor_(_shifted(bits, 27)).mul_(SECOND)
    return bits.bitwise_xor_(_shifted(bits, 31))


def _shifted(bits: Int[Tensor, "..."], n: int) -> Int[Tensor, "..."]:
    """To the right, zeros coming in; torch's own shift brings in the sign."""
    return (bits >> n).bitwise_and_((1 << (64 - n)) - 1)
