"""What `evaluate` asks of every model: class probabilities of the test windows, by experiment, method and seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vimu.evaluation.results import Experiment
from vimu.models.forest import forest_probabilities
from vimu.runtime.futures import as_they_end
from vimu.runtime.progress import tracked
from vimu.runtime.published import Published
from vimu.runtime.resources import granted
from vimu.stages.config import Config
from vimu.stages.finetune import STARTS
from vimu.stages.networks import model_file, tuned_file
from vimu.windows.schema import WindowSet, read_windows
from vimu.windows.settings import SplitProtocol, SplitSettings
from vimu.windows.split import require_apart

FOREST = "random_forest"
Probabilities = dict[int, np.ndarray[Any, Any]]
"""By seed."""


@dataclass(frozen=True)
class Work:
    """All that is evaluated."""

    synthesized: Published
    prepared: Published
    pretrained: Published
    finetuned: Published
    crossed: Published | None
    """The experiments on all people, where the configuration asks for them."""

    @property
    def seeds(self) -> list[int]:
        return list(self.finetuned.details["seeds"])

    @property
    def networks(self) -> list[str]:
        """Methods, that of `pretrain.model` first."""
        return list(self.finetuned.details["networks"])


@dataclass(frozen=True)
class Side:
    """Virtual or real windows, and how they were split."""

    dataset: str
    windows: WindowSet
    classes: tuple[str, ...]
    synthetic: bool
    groups: str
    """`subjects`, or `clips` where an archive names none."""
    protocol: SplitProtocol
    split: str
    """How train, validation and test were told apart, for the reader."""

    @property
    def test(self) -> WindowSet:
        return self.windows.where(split="test")


@dataclass(frozen=True)
class Predicted:
    """A method's probabilities of the test windows of a side."""

    what: Experiment
    side: Side
    by_seed: Probabilities
    scratch: Probabilities | None = None
    """Those of the same network from scratch, where this one is fine-tuned."""


def sides_of(config: Config, work: Work) -> tuple[Side, Side]:
    """The virtual side and the real one.

    Raises:
        UserError: a subject's windows are in two splits, where splits are to keep subjects apart.
    """
    details = work.prepared.details
    windows = read_windows(work.prepared.files("windows/"))
    settings = {"virtual": config.preparation.virtual_split, "real": config.preparation.real_split}
    of = {"virtual": details["virtual_datasets"], "real": [details["real_dataset"]]}
    classes = {"virtual": work.pretrained.details["classes"], "real": work.finetuned.details["classes"]}
    sides = []
    for name in ("virtual", "real"):
        chosen, protocol = windows.where(dataset=of[name]), details["protocols"][name]
        if protocol == "subjects_apart":
            require_apart(chosen.subject.tolist(), chosen.split.tolist(), dataset="+".join(of[name]))
        sides.append(
            Side(
                "+".join(of[name]), chosen, tuple(classes[name]), any(details["synthetic"][d] for d in of[name]),
                details["groups"][name], protocol, _split_text(settings[name], chosen, details["groups"][name]),
            )
        )  # fmt: skip
    return sides[0], sides[1]


def predict_all(config: Config, work: Work, virtual: Side, real: Side) -> Iterator[Predicted]:
    """Every result of the run, forests included; needs Ray.

    `no_finetuning` is the pre-trained network on real windows, among their classes only; there is none where
    pre-training lacks one of them.
    """
    seed = config.pretrain.seed
    synthetic = virtual.synthetic or real.synthetic

    def pretrained(method: str, x: np.ndarray[Any, Any]) -> Probabilities:
        file = work.pretrained.file(model_file(method, work.networks))
        return {seed: _network(file.local(), x)}

    for method in work.networks:
        what = Experiment(virtual.dataset, "virtual", method, virtual.synthetic)
        yield Predicted(what, virtual, pretrained(method, virtual.test.x))
    forests = _forests(virtual, work.seeds, config)
    yield Predicted(Experiment(virtual.dataset, "virtual", FOREST, virtual.synthetic), virtual, forests)
    if not lacking(virtual, real):
        columns = [virtual.classes.index(name) for name in real.classes]
        for method in work.networks:
            direct = {s: p[:, columns] for s, p in pretrained(method, real.test.x).items()}
            yield Predicted(Experiment(real.dataset, "no_finetuning", method, synthetic), real, direct)
    forests = _forests(real, work.seeds, config)
    yield Predicted(Experiment(real.dataset, "scratch", FOREST, real.synthetic), real, forests)
    by_start: dict[str, dict[str, Probabilities]] = {
        start: {method: _tuned(work, method, start, real.test.x) for method in work.networks} for start in STARTS
    }
    for method, by_seed in by_start["scratch"].items():
        yield Predicted(Experiment(real.dataset, "scratch", method, real.synthetic), real, by_seed)
    for method, by_seed in by_start["finetuned"].items():
        what = Experiment(real.dataset, "finetuned", method, synthetic)
        yield Predicted(what, real, by_seed, scratch=by_start["scratch"][method])


def lacking(virtual: Side, real: Side) -> list[str]:
    """Real classes that pre-training does not know."""
    return sorted(set(real.classes) - set(virtual.classes))


def _tuned(work: Work, method: str, start: str, x: np.ndarray[Any, Any]) -> Probabilities:
    files = {seed: work.finetuned.file(tuned_file(method, work.networks, start, seed, ".pt")) for seed in work.seeds}
    return {seed: _network(file.local(), x) for seed, file in files.items()}


def _network(path: Path, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from vimu.training.checkpoint import load_model
    from vimu.training.loop import predict

    model, _ = load_model(path)
    return predict(model, x)


def _forests(side: Side, seeds: Sequence[int], config: Config) -> Probabilities:
    """A forest a seed, each in a Ray task, fitted on train and val: it has no use for a validation split."""
    import ray

    fit = side.windows.where(split=("train", "val"))
    train_x, train_y, test_x = ray.put(fit.x), fit.targets(side.classes), ray.put(side.test.x)
    needs, _ = granted(config.resources, "evaluate")
    task = ray.remote(**needs.options)(forest_probabilities)
    futures = [
        task.remote(train_x, train_y, test_x, n_classes=len(side.classes), seed=seed, n_trees=config.evaluate.n_trees)
        for seed in seeds
    ]  # fmt: skip
    for future in tracked(as_they_end(futures), "forests", total=len(futures)):
        ray.get(future)  # one that failed is known at once
    return dict(zip(seeds, ray.get(futures), strict=True))


def _split_text(settings: SplitSettings, windows: WindowSet, kind: str) -> str:
    parts = ("train", "val", "test")
    if settings.protocol == "paper_random_windows":
        n = [f"{len(windows.where(split=part)):,}" for part in parts]
        return (
            f"paper_random_windows: {n[0]} train, {n[1]} validation, {n[2]} test windows at random "
            f"(seed {settings.seed}); overlapping windows of the same {kind} train and test"
        )
    of = {part: len(set(windows.where(split=part).subject.tolist())) for part in parts}
    how = "named" if settings.test_groups else f"{settings.n_folds} folds, seed {settings.seed}"
    return f"{of['train']} train, {of['val']} validation, {of['test']} test {kind}, apart ({how})"
