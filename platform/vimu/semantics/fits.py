"""One model of an alignment, from windows and their texts to a saved file. Nothing of a test window is looked at."""

from collections.abc import Mapping, Sequence
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
from vimu.semantics.aligned import AlignedCard, AlignedModel, save_aligned
from vimu.semantics.channels import six_channels
from vimu.semantics.controls import save_softmax
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import MODEL_FILE, Fit
from vimu.semantics.labels import Labels
from vimu.semantics.signals import aligned_signals
from vimu.semantics.space import centred, label_texts, middle_of, prototypes
from vimu.semantics.stage1 import tune
from vimu.semantics.stage2 import Words, fit_sensor, fit_softmax, outputs
from vimu.semantics.text_encoder import States, TextEncoder
from vimu.windows.schema import WindowSet, read_windows

RANDOM_SEED = 0
"""Of the weights that know no language: the same for every seed of training."""


def in_classes(windows: WindowSet, classes: Mapping[str, Sequence[str]]) -> tuple[WindowSet, np.ndarray[Any, Any]]:
    """The windows of some classes, and the class of each, by name."""
    class_of = {label: name for name, labels in classes.items() for label in labels}
    kept = windows.take(np.flatnonzero(np.isin(windows.label, list(class_of))))
    return kept, np.array([class_of[label] for label in kept.label.tolist()], dtype=np.str_)


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
    interpretations: StoredFile
    labels: Mapping[str, Any]
    dataset: str
    sensor: str
    _encoders: dict[bool, tuple[TextEncoder, dict[str, Tensor], States]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read windows and texts."""
        source = read_windows(self.windows).where(dataset=self.dataset, split=("train", "val"))
        self._source, self._class = in_classes(source, self.settings.classes)
        table = self.interpretations.table().select(["window_id", "text", "accepted"])
        rows = {name: i for i, name in enumerate(table.column("window_id").to_pylist())}
        index = [rows[name] for name in self._source.window_id.tolist()]
        text = np.array(table.column("text").to_pylist(), dtype=np.str_)[index]
        self._accepted = np.array(table.column("accepted").to_pylist(), dtype=bool)[index]
        text[self._source.split != "train"] = text[0]  # what validates is never read
        self._texts, self._text_of = np.unique(text, return_inverse=True)
        self._x = aligned_signals(six_channels(self._source, self.sensor), rate_hz=source.rate_hz)
        self._labels = Labels.model_validate(self.labels)

    def run(self, fit: Fit, folder: Path) -> dict[str, Any]:
        """Train a model and save it; returns its log."""
        settings = self.settings
        seen = [name for name in settings.classes if fit.task == "all" or name not in settings.unseen]
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
        sensor, losses = fit_sensor(x, y, words, settings.stage2, seed=fit.seed)
        card = AlignedCard(
            classes=tuple(settings.classes), seen=tuple(seen), rate_hz=self._source.rate_hz,
            length_frames=self._x.shape[1], trained_on=self.dataset, temperature=settings.temperature,
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
            self._encoders[random] = encoder, untouched, encoder.states(self._texts.tolist())
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
