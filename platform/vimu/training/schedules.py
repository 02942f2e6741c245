"""Which parts of a pre-trained network train, when and how fast.

With blocks from the input to the output, the head after the convolutions:

```
head            conv  conv  conv  HEAD     the seed paper's: convolutions stay as they are
gradual         conv  conv  conv  HEAD     then another block every few epochs, from the output back
                conv  conv  CONV  HEAD
discriminative  conv < CONV < CONV < HEAD  all from the start, each block slower than the one after it
all             CONV  CONV  CONV  HEAD     all from the start, the convolutions slower
```

Source: `head`: arXiv 2003.01874, section 3; `gradual` and `discriminative`: Howard and Ruder, "Universal Language Model
Fine-tuning for Text Classification", ACL 2018, sections 3.2 and 3.3.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from vimu.models.network import Network
from vimu.training.settings import FinetuneSettings


@dataclass(frozen=True)
class Tuned:
    """A block, its rate and the epoch from which on it trains."""

    block: nn.Module
    lr: float
    from_epoch: int


def blocks_of(model: Network, settings: FinetuneSettings) -> list[Tuned]:
    """The blocks that ever train, from the output back; the others are frozen by leaving them out."""
    depth = [*model.convolutions, *model.head][::-1]
    n_head = len(model.head)
    match settings.schedule:
        case "head":
            return [Tuned(block, settings.lr, 0) for block in depth[:n_head]]
        case "gradual":
            every = settings.unfreeze_every_epochs
            return [Tuned(block, settings.lr, max(0, i + 1 - n_head) * every) for i, block in enumerate(depth)]
        case "discriminative":
            rates = [settings.lr * settings.depth_decay ** max(0, i + 1 - n_head) for i in range(len(depth))]
            return [Tuned(block, lr, 0) for block, lr in zip(depth, rates, strict=True)]
        case "all":
            share = settings.encoder_lr_share
            return [Tuned(b, settings.lr * (share if i >= n_head else 1), 0) for i, b in enumerate(depth)]


def parameter_groups(blocks: list[Tuned]) -> list[dict[str, Any]]:
    """For an optimiser: one group a block."""
    return [{"params": list(tuned.block.parameters()), "lr": tuned.lr} for tuned in blocks]


def thaw(model: Network, blocks: list[Tuned], epoch: int) -> None:
    """Let those blocks take gradients whose epoch has come; an optimiser leaves the others where they are."""
    model.requires_grad_(False)
    for tuned in blocks:
        tuned.block.requires_grad_(epoch >= tuned.from_epoch)
