"""What pre-training is measured against: a plain PyTorch loop, and its step alone."""

import time
from typing import Any

import torch
from torch import nn

from vimu.runtime.storage import StoredFile
from vimu.training.fit import objective_for
from vimu.training.loop import Objective
from vimu.training.settings import PretrainSettings
from vimu.windows.schema import WindowSet, read_windows


class Bare(nn.Module):
    """The same loss with torch's own random numbers; the encoder is called for the classifier and for the decoder."""

    tuned = False
    """As vimu: once for both, and a fused AdamW."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        model, decoder = self.objective.model, self.objective.decoder
        clean = model.normalized(x)
        noise = (
            torch.randn_like(x) * self.objective.noise_std
        )  # like `clean`, which is transposed, takes 7 times as long
        noised = clean + noise.transpose(1, 2)
        if self.tuned:
            latent, latent_noised = model.encoder(torch.cat([clean, noised])).chunk(2)
        else:
            latent, latent_noised = model.encoder(clean), model.encoder(noised)
        pooled = torch.cat([latent.mean(dim=2), latent.amax(dim=2)], dim=1)
        logits = model.classifier(nn.functional.dropout(pooled, model.dropout))
        loss = nn.functional.cross_entropy(logits, y, weight=self.objective.class_weight)
        rebuilt = nn.functional.mse_loss(decoder.layers(latent_noised), clean)
        return loss + self.objective.penalty_weight * rebuilt


class Tuned(Bare):
    """With vimu's ways."""

    tuned = True


def bare_loop(file: StoredFile, settings: PretrainSettings, loss: type[Bare] = Bare) -> list[tuple[float, float]]:
    """Seconds, and CPU seconds, of each epoch of a plain loop."""
    loss_of, x, y, step = _parts(file, settings, loss)
    seconds = []
    for _ in range(settings.epochs):
        began, cpu_began = time.perf_counter(), time.process_time()
        losses = []
        for rows in torch.randperm(len(x), device=x.device).split(settings.batch_size):
            value = loss_of(x[rows], y[rows])
            step(value)
            losses.append(value.detach())
        float(torch.stack(losses).mean())
        seconds.append((time.perf_counter() - began, time.process_time() - cpu_began))
    return seconds


def bare_loop_tuned(file: StoredFile, settings: PretrainSettings) -> list[tuple[float, float]]:
    """The plain loop with vimu's ways to the encoder and the step."""
    return bare_loop(file, settings, Tuned)


def step_alone(file: StoredFile, settings: PretrainSettings) -> list[tuple[float, float]]:
    """Seconds, and CPU seconds, of as many steps as an epoch has, on one batch."""
    loss_of, x, y, step = _parts(file, settings, Tuned)
    batch, labels = x[: settings.batch_size].clone(), y[: settings.batch_size].clone()
    seconds = []
    for _ in range(settings.epochs):
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(len(x) // settings.batch_size):
            loss = loss_of(batch, labels)
            step(loss)
        float(loss.detach())
        seconds.append((time.perf_counter() - began, time.process_time() - cpu_began))
    return seconds


def _parts(
    file: StoredFile, settings: PretrainSettings, loss: type[Bare]
) -> tuple[Any, torch.Tensor, torch.Tensor, Any]:
    """Loss, windows, labels and the step of an optimiser, on the device there is."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    windows: WindowSet = read_windows([file]).where(split="train")
    bare = loss(objective_for(windows, windows.classes, settings)).to(device).train()
    optimizer = torch.optim.AdamW(
        bare.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=loss.tuned
    )
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return bare(x, y)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(bare.parameters(), settings.clip_norm)
        optimizer.step()

    x, y = torch.from_numpy(windows.x).to(device), torch.from_numpy(windows.targets(windows.classes)).to(device)
    return loss_of, x, y, step
