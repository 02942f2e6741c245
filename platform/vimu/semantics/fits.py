"""One model of an alignment, from windows and their texts to a saved file. Nothing of a test window is looked at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vimu.metrics import scores
from vimu.runtime.storage import StoredFile
from vimu.semantics.align_settings import OF_STATEMENTS, AlignSettings
from vimu.semantics.aligned import AlignedCard, AlignedModel, load_aligned, save_aligned
from vimu.semantics.channels import sensors_to_measure, six_channels
from vimu.semantics.controls import save_softmax
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import MODEL_FILE, Fit
from vimu.semantics.labels import Labels
from vimu.semantics.rules import Rules
from vimu.semantics.schema import FIELDS
from vimu.semantics.signals import aligned_signals
from vimu.semantics.space import centred, label_texts, middle_of, prototypes
from vimu.semantics.stage1 import tune
from vimu.semantics.stage2 import Words, fit_sensor, fit_softmax, outputs
from vimu.semantics.statements import FIELD_WIDTH, StatementSpace
from vimu.semantics.taught import Texts, in_classes, sensor_by_sensor
from vimu.semantics.text_encoder import States, TextEncoder
from vimu.semantics.unlabelled import in_words, unlabelled
from vimu.windows.schema import WindowSet, read_windows

StatesOf = Callable[[TextEncoder, Sequence[str]], States]

RANDOM_SEED = 0
"""Of the weights that know no language: the same for every seed of training."""


@dataclass
class Learnt:
    """The training and validation windows of a task as tensors."""

    rows: Int[np.ndarray, " B"]
    """Of the source's windows."""
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
    others: Sequence[StoredFile] = ()
    """Windows that may be learnt without a class, as `align.unlabelled` names them: those of `mocap` among them."""
    mocap: tuple[str, ...] = ()
    """Data sets."""
    rules: Rules | None = None
    """What puts those into words."""
    _encoders: dict[bool, tuple[TextEncoder, dict[str, Tensor]]] = field(default_factory=dict)
    _states: dict[bool, States] = field(default_factory=dict)
    _vectors: dict[bool, dict[str, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read windows and texts."""
        read = read_windows(self.windows).where(dataset=self.datasets, split=("train", "val"))
        windows, of_class = in_classes(read, self.settings.classes)
        self._files = encoder_files(self.settings.text_encoder)
        self._statements = [self.texts.statements.get(i, ()) for i in windows.window_id.tolist()]
        self._others = [] if self.settings.unlabelled is None else self._without_class(read)
        text, accepted = self.texts.of(windows)
        text[windows.split != "train"] = text[0]  # what validates is never read
        n = len(self.sensors)
        self._source = sensor_by_sensor(windows, self.sensors)
        self._class, self._accepted = np.tile(of_class, n), np.tile(accepted, n)
        self._texts, self._text_of = np.unique(np.tile(text, n), return_inverse=True)
        self._x = aligned_signals(self._source.x, rate_hz=read.rate_hz)
        self._labels = Labels.model_validate(self.labels)

    def prepare(self, fits: Sequence[Fit]) -> None:
        """The states of all texts, where some models need them: workers do this together."""
        whole = (fit for fit in fits if fit.variant != "softmax" and not self._by_statements(fit))
        for random in sorted({fit.variant == "random_weights" for fit in whole}):
            self._states_of_all(random=random)

    def run(self, fit: Fit, folder: Path) -> dict[str, Any]:
        """Train a model and save it; returns its log."""
        settings = self.settings
        there = set(self._class[self._source.split == "train"].tolist())
        seen = [c for c in settings.classes if c in there and (fit.task == "all" or c not in settings.unseen)]
        learnt = self._learnt(seen)
        if fit.variant == "softmax":
            by_statements = settings.compare == "statements"
            width = len(FIELDS) * FIELD_WIDTH if by_statements else self._encoder(random=False)[0].width
            softmax, losses = fit_softmax(
                learnt.x, learnt.y, settings.stage2, width=width, n_classes=len(seen), seed=fit.seed
            )
            save_softmax(folder / MODEL_FILE, softmax, seen)
            return _log(_said(softmax, learnt.val_x), learnt.val_y, len(learnt.x), [], losses)
        make = self._of_statements if self._by_statements(fit) else self._of_whole_texts
        return make(fit, seen, learnt, folder)

    def _of_statements(self, fit: Fit, seen: Sequence[str], learnt: Learnt, folder: Path) -> dict[str, Any]:
        settings = self.settings
        kept = learnt.accepted if fit.variant != "no_judge" else torch.ones_like(learnt.accepted)
        rows, x, y = learnt.rows[kept.numpy()], learnt.x[kept], learnt.y[kept]
        said = [self._statements[row] for row in rows]
        if settings.unlabelled is not None and self.rules is not None and fit.variant != "labelled_only":
            more = unlabelled(self._source.x[rows], y.numpy(), self._others, settings.unlabelled, seed=fit.seed)
            said += in_words(more, self.rules, rate_hz=self._source.rate_hz)
            x = torch.cat([x, torch.from_numpy(aligned_signals(more, rate_hz=self._source.rate_hz))])
            y = torch.cat([y, torch.full((len(more),), -1)])
        embed = partial(self._embedded, random=fit.variant == "random_weights")
        of_classes = [
            [text for member in members for text in self._labels.activities[member].texts]
            for members in settings.classes.values()
        ]
        space = StatementSpace.learnt(said, [text for texts in of_classes for text in texts], embed)
        everything = space.of_labels(of_classes, embed)
        of_seen = everything[[list(settings.classes).index(name) for name in seen]]
        weight = settings.stage2.prototype_weight if fit.task == "all" else 0.0
        words = Words(space.of_windows(said, embed), of_seen, settings.temperature, weight)
        before = self.start(fit)
        sensor, losses = fit_sensor(
            x, y, words, settings.stage2.of_statements, seed=fit.seed,
            start=None if before is None else load_aligned(before).sensor,
        )  # fmt: skip
        model = AlignedModel(self._card(seen), sensor, everything, torch.zeros(space.width), {}, space)
        save_aligned(folder / MODEL_FILE, model)
        validated = _said(sensor, learnt.val_x)
        found = None if validated is None else validated @ of_seen.T
        return _log(found, learnt.val_y, len(x), [], losses)

    def _of_whole_texts(self, fit: Fit, seen: Sequence[str], learnt: Learnt, folder: Path) -> dict[str, Any]:
        settings, random = self.settings, fit.variant == "random_weights"
        kept = learnt.accepted if fit.variant != "no_judge" else torch.ones_like(learnt.accepted)
        x, y, text_of = learnt.x[kept], learnt.y[kept], learnt.text_of[kept]
        encoder, untouched = self._encoder(random=random)
        states = self._states_of_all(random=random)
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
        from_middle = centred(targets, middle_of(targets, y, len(seen)))
        words = Words(from_middle, named, settings.temperature, settings.stage2.prototype_weight)
        before = self.start(fit)
        sensor, losses = fit_sensor(
            x, y, words, settings.stage2, seed=fit.seed, start=None if before is None else load_aligned(before).sensor
        )
        upper = {n: t.detach().clone() for n, t in encoder.state_dict().items()} if tuning else {}
        # classes kept from training have their vectors from their texts alone
        model = AlignedModel(self._card(seen), sensor, centred(everything, labels_middle), labels_middle, upper)
        save_aligned(folder / MODEL_FILE, model)
        said = _said(sensor, learnt.val_x)  # their length plays no part in which label is nearest
        return _log(None if said is None else said @ named.T, learnt.val_y, len(x), tuning, losses)

    def _card(self, seen: Sequence[str]) -> AlignedCard:
        settings = self.settings
        return AlignedCard(
            classes=tuple(settings.classes), seen=tuple(seen), rate_hz=self._source.rate_hz,
            length_frames=self._x.shape[1], trained_on="+".join(self.datasets), temperature=settings.temperature,
            encoder=settings.text_encoder, encoder_digest=self._files.digest, tuned_layers=settings.tuned_layers,
            bf16=settings.bf16,
        )  # fmt: skip

    def _by_statements(self, fit: Fit) -> bool:
        return self.settings.compare == "statements" and fit.variant in OF_STATEMENTS

    def _without_class(self, read: WindowSet) -> list[Float[np.ndarray, "n L 6"]]:
        """Training windows of the source's other activities, and of mocap, of each sensor."""
        train = read.where(split="train")
        members = [label for labels in self.settings.classes.values() for label in labels]
        rest = train.take(np.flatnonzero(~np.isin(train.label, members)))
        found = [six_channels(rest, sensor) for sensor in self.sensors] if len(rest) else []
        if self.others:
            mocap = read_windows(self.others).where(split="train", dataset=self.mocap)
            found += [six_channels(mocap, sensor) for sensor in sensors_to_measure(mocap.channels)]
        return found

    def _learnt(self, seen: Sequence[str]) -> Learnt:
        rows = np.isin(self._class, list(seen))
        y = np.array([list(seen).index(name) if name in seen else -1 for name in self._class.tolist()])
        train, val = (np.flatnonzero(rows & (self._source.split == split)) for split in ("train", "val"))
        x = torch.from_numpy(self._x)
        return Learnt(
            train, x[train], torch.from_numpy(y[train]), torch.from_numpy(self._text_of[train]),
            torch.from_numpy(self._accepted[train]), x[val], y[val],
        )  # fmt: skip

    def _encoder(self, *, random: bool) -> tuple[TextEncoder, dict[str, Tensor]]:
        """The text encoder, and its weights as they came."""
        if random not in self._encoders:
            encoder = TextEncoder(
                self._files, n_tuned=self.settings.tuned_layers, random_seed=RANDOM_SEED if random else None,
                bf16=self.settings.bf16,
            )  # fmt: skip
            untouched = {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
            self._encoders[random] = encoder, untouched
        return self._encoders[random]

    def _states_of_all(self, *, random: bool) -> States:
        """Of all distinct texts."""
        if random not in self._states:
            self._states[random] = self.states_of(self._encoder(random=random)[0], self._texts.tolist())
        return self._states[random]

    def _embedded(self, said: Sequence[str], *, random: bool) -> Float[Tensor, "n D"]:
        """Sentences by the encoder as it came; each is read once."""
        encoder, untouched = self._encoder(random=random)
        known = self._vectors.setdefault(random, {})
        if new := [text for text in dict.fromkeys(said) if text not in known]:
            encoder.load_state_dict(untouched)
            known |= dict(zip(new, encoder.embed(encoder.states(new)), strict=True))
        return torch.stack([known[text] for text in said])


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
