"""One model of an alignment, from windows and their texts to a saved file. Nothing of a test window is looked at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vimu.metrics import scores
from vimu.runtime.storage import StoredFile
from vimu.semantics.align_settings import AlignSettings
from vimu.semantics.aligned import AlignedCard, AlignedModel, load_aligned, save_aligned
from vimu.semantics.controls import save_softmax
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import MODEL_FILE, Fit
from vimu.semantics.labels import Labels
from vimu.semantics.signals import aligned_signals
from vimu.semantics.space import centred, label_texts, middle_of, prototypes
from vimu.semantics.stage1 import tune
from vimu.semantics.stage2 import Words, fit_sensor, fit_softmax, outputs
from vimu.semantics.taught import Texts, in_classes, sensor_by_sensor
from vimu.semantics.text_encoder import States, TextEncoder
from vimu.windows.schema import read_windows

StatesOf = Callable[[TextEncoder, Sequence[str]], States]

RANDOM_SEED = 0
"""Of the weights that know no language: the same for every seed of training."""


@dataclass
class Learnt:
    """The training and validation windows of a task as tensors."""

    x: Float[Tensor, "B L 6"]
    y: Int[Tensor, " B"]
    text_of: Int[Tensor, " B"]
    """Row of the distinct texts."""
    accepted: Bool[Tensor, " B"]
    """Whether the judge took the text."""
    val_x: Float[Tensor, "V L 6"]
    val_y: Int[np.ndarray, " V"]


@dataclass
class Fitter:
    """Trains models on one data set; what the lower layers make of its texts is kept from one to the next."""

    settings: AlignSettings
    windows: Sequence[StoredFile]
    texts: Texts
    labels: Mapping[str, Any]
    datasets: tuple[str, ...]
    sensors: tuple[str, ...]
    start: Callable[[Fit], Path | None] = lambda _: None
    """The aligned model whose sensor encoder a model goes on from."""
    states_of: StatesOf = TextEncoder.states
    """Of an encoder and texts: workers share the work (`vimu.semantics.shared_states`)."""
    _encoders: dict[bool, tuple[TextEncoder, dict[str, Tensor], States]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read windows and texts."""
        read = read_windows(self.windows).where(dataset=self.datasets, split=("train", "val"))
        windows, of_class = in_classes(read, self.settings.classes)
        text, accepted = self.texts.of(windows)
        text[windows.split != "train"] = text[0]  # what validates is never read
        n = len(self.sensors)
        self._source = sensor_by_sensor(windows, self.sensors)
        self._class, self._accepted = np.tile(of_class, n), np.tile(accepted, n)
        self._texts, self._text_of = np.unique(np.tile(text, n), return_inverse=True)
        self._x = aligned_signals(self._source.x, rate_hz=read.rate_hz)
        self._labels = Labels.model_validate(self.labels)

    def prepare(self, fits: Sequence[Fit]) -> None:
        """Load the text encoders that some models need, and the states of all texts: workers do this together."""
        for random in sorted({fit.variant == "random_weights" for fit in fits}):
            self._encoder(random=random)

    def run(self, fit: Fit, folder: Path) -> dict[str, Any]:
        """Train a model and save it; returns its log."""
        settings = self.settings
        there = set(self._class[self._source.split == "train"].tolist())
        seen = [c for c in settings.classes if c in there and (fit.task == "all" or c not in settings.unseen)]
        learnt = self._learnt(seen)
        if fit.variant == "softmax":
            width = self._encoder(random=False)[0].width
            softmax, losses = fit_softmax(
                learnt.x, learnt.y, settings.stage2, width=width, n_classes=len(seen), seed=fit.seed
            )
            save_softmax(folder / MODEL_FILE, softmax, seen)
            return _log(_said(softmax, learnt.val_x), learnt.val_y, len(learnt.x), [], losses)
        return self._aligned(fit, seen, learnt, folder)

    def _aligned(self, fit: Fit, seen: Sequence[str], learnt: Learnt, folder: Path) -> dict[str, Any]:
        settings, random = self.settings, fit.variant == "random_weights"
        kept = learnt.accepted if fit.variant != "no_judge" else torch.ones_like(learnt.accepted)
        x, y, text_of = learnt.x[kept], learnt.y[kept], learnt.text_of[kept]
        encoder, untouched, states = self._encoder(random=random)
        encoder.load_state_dict(untouched)
        learning = {name: settings.classes[name] for name in seen}
        tuning: list[float] = []
        if fit.variant != "frozen":
            texts, of_class = label_texts(self._labels, learning | {name: (name,) for name in settings.text_only})
            tuning = tune(
                encoder, states, text_of, y, encoder.states(texts), of_class, settings.stage1,
                n_classes=len(seen), temperature=settings.temperature, seed=fit.seed,
            )  # fmt: skip
        texts, of_class = label_texts(self._labels, settings.classes)
        everything = prototypes(encoder.embed(encoder.states(texts)), of_class, len(settings.classes))
        of_seen = everything[[list(settings.classes).index(name) for name in seen]]
        labels_middle = of_seen.mean(dim=0)
        named = centred(of_seen, labels_middle)
        used, row_of = torch.unique(text_of, return_inverse=True)
        targets = encoder.embed(states.take(used))[row_of]
        words = Words(centred(targets, middle_of(targets, y, len(seen))), named, settings.temperature)
        before = self.start(fit)
        sensor, losses = fit_sensor(
            x, y, words, settings.stage2, seed=fit.seed, start=None if before is None else load_aligned(before).sensor
        )
        card = AlignedCard(
            classes=tuple(settings.classes), seen=tuple(seen), rate_hz=self._source.rate_hz,
            length_frames=self._x.shape[1], trained_on="+".join(self.datasets), temperature=settings.temperature,
            encoder=settings.text_encoder, encoder_digest=self._files.digest, tuned_layers=settings.tuned_layers,
            bf16=settings.bf16,
        )  # fmt: skip
        upper = {n: t.detach().clone() for n, t in encoder.state_dict().items()} if fit.variant == "aligned" else {}
        # classes kept from training have their vectors from their texts alone
        model = AlignedModel(card, sensor, centred(everything, labels_middle), labels_middle, upper)
        save_aligned(folder / MODEL_FILE, model)
        said = _said(sensor, learnt.val_x)  # their length plays no part in which label is nearest
        return _log(None if said is None else said @ named.T, learnt.val_y, len(x), tuning, losses)

    def _learnt(self, seen: Sequence[str]) -> Learnt:
        rows = np.isin(self._class, list(seen))
        y = np.array([list(seen).index(name) if name in seen else -1 for name in self._class.tolist()])
        train, val = (np.flatnonzero(rows & (self._source.split == split)) for split in ("train", "val"))
        x = torch.from_numpy(self._x)
        return Learnt(
            x[train], torch.from_numpy(y[train]), torch.from_numpy(self._text_of[train]),
            torch.from_numpy(self._accepted[train]), x[val], y[val],
        )  # fmt: skip

    def _encoder(self, *, random: bool) -> tuple[TextEncoder, dict[str, Tensor], States]:
        """The text encoder, its weights as they came, and the states of all texts."""
        self._files = encoder_files(self.settings.text_encoder)
        if random not in self._encoders:
            encoder = TextEncoder(
                self._files, n_tuned=self.settings.tuned_layers, random_seed=RANDOM_SEED if random else None,
                bf16=self.settings.bf16,
            )  # fmt: skip
            untouched = {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
            self._encoders[random] = encoder, untouched, self.states_of(encoder, self._texts.tolist())
        return self._encoders[random]


def _said(model: torch.nn.Module, x: Float[Tensor, "V L 6"]) -> Float[Tensor, "V D"] | None:
    """None where nobody validates."""
    return outputs(model, x) if len(x) else None


def _log(
    said: Float[Tensor, "V N"] | None, truth: Int[np.ndarray, " V"], n_windows: int, tuning: list[float],
    losses: list[float],
) -> dict[str, Any]:  # fmt: skip
    """What a model's training was like; validation windows are of the source's people, of seen classes."""
    found = None if said is None else scores(truth, said.argmax(dim=1).numpy())["macro_f1"]
    return {"windows": n_windows, "val_macro_f1": found, "stage1_loss": tuning, "stage2_loss": losses}
