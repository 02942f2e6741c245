"""Stage 1: the text encoder's upper layers are tuned until texts of windows and of labels agree within an activity.

The loss of a step is the cross-entropy of each window's text over the labels' vectors, and the supervised contrastive
loss over both kinds of text. Activities without windows may take part by the texts of their labels alone: what tells
those from the others is then not forgotten for what tells the few with windows. Labels' texts are encoded anew in each
step, so that they move as well. Dropout is off: it would take a third of the time.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vimu.semantics.align_settings import Stage1Settings
from vimu.semantics.space import contrastive_loss, prototypes
from vimu.semantics.text_encoder import States, TextEncoder


def tune(
    encoder: TextEncoder, windows: States, text_of: Int[Tensor, " B"], y: Int[Tensor, " B"], labels: States,
    of_class: Int[Tensor, " K"], settings: Stage1Settings, *, n_classes: int, temperature: float, seed: int,
) -> list[float]:  # fmt: skip
    """Tune in place; returns the loss of each step.

    Args:
        windows: states of the distinct texts of windows.
        text_of: each training window's text, as a row of `windows`.
        y: each training window's class.
        labels: states of the labels' texts.
        of_class: the class of each of those; those of `n_classes` and above have no windows.
    """
    generator = torch.Generator().manual_seed(seed)
    rows_of = [torch.where(y == c)[0] for c in range(n_classes)]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=settings.steps, pct_start=0.1)
    n_named = int(of_class.max()) + 1
    each = max(1, settings.batch_size // n_classes)
    losses = []
    for _ in range(settings.steps):
        rows = torch.cat([of[torch.randint(len(of), (each,), generator=generator)] for of in rows_of])
        texts, label_vectors = encoder(windows.take(text_of[rows])), encoder(labels)
        named = prototypes(label_vectors, of_class, n_named)
        loss: Float[Tensor, ""] = nn.functional.cross_entropy(texts @ named.T / temperature, y[rows])
        together, classes = torch.cat([texts, label_vectors]), torch.cat([y[rows], of_class])
        loss = loss + settings.contrastive_weight * contrastive_loss(together, classes, temperature)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses
