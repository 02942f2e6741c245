"""One model to fit: all that its result depends on, hence its key, and the fit itself."""

import hashlib
import io
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vimu.training.settings import PretrainSettings
from vimu.tuning import learners
from vimu.tuning.folds import Folds, Validation, parts_of
from vimu.tuning.nested import Start, learner_of, tune_inside
from vimu.tuning.shares import share_of_trials
from vimu.windows.schema import WindowSet

PROBABILITIES = "probabilities"
Kind = Literal["pretrain", "tune", "scratch", "finetuned", "forest", "not_finetuned"]


@dataclass(frozen=True)
class Fit:
    """A model, from windows to the class probabilities of those that it is tested on.

    `pretrain` gives a model file, `tune` the settings that did best on people who are not tested; all others give
    probabilities. A fit waits for those that it needs.
    """

    kind: Kind
    method: str
    seed: int
    windows: str
    """Which windows: a name in the plan's sides."""
    folds: str = ""
    """How they are dealt into folds; empty where nothing is held out."""
    fold: int = 0
    validation: Validation = "fold"
    settings: str = "{}"
    """JSON: `settings` of network, fine-tuning or forest; of `tune` also what they are `of`, and `trials`."""
    share: float = 1.0
    """Of the labelled trials."""
    needs: tuple["Fit", ...] = ()

    @cached_property
    def key(self) -> str:
        """The same for fits that depend on the same, whatever table they are for."""
        own = asdict(self) | {"needs": [fit.key for fit in self.needs]}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def name(self) -> str:
        """For a person who looks into the folder of parts."""
        where = f"{self.folds}{self.fold}" if self.folds else "all"
        return f"{self.kind}-{self.method}-{where}-seed{self.seed}-{self.key}"

    @property
    def given(self) -> dict[str, Any]:
        """The settings as a mapping."""
        return dict(json.loads(self.settings))

    @property
    def suffix(self) -> str:
        """Of the file that holds its result."""
        return {"pretrain": ".pt", "tune": ".json"}.get(self.kind, ".npz")


@dataclass(frozen=True)
class Fitted:
    """What a fit gave, as the bytes of a file, and the CPU seconds that it took."""

    content: bytes
    cpu_s: float


def run_fit(fit: Fit, windows: WindowSet, classes: tuple[str, ...], folds: Folds | None, *needed: bytes) -> Fitted:
    """Fit one model, in a worker.

    Args:
        windows: of the side that the fit names.
        needed: results of the fits that it needs, in their order.
    """
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "model.pt"
        if fit.kind == "pretrain":
            settings = PretrainSettings.model_validate(fit.given["settings"] | {"seed": fit.seed})
            learners.pretrain(windows, settings, start)
            return Fitted(start.read_bytes(), time.process_time() - started)
        results = dict(zip([need.kind for need in fit.needs], needed, strict=True))
        if "pretrain" in results:
            start.write_bytes(results["pretrain"])
        if fit.kind == "not_finetuned":
            probabilities = learners.not_finetuned(start, windows, [fit.given[name] for name in classes])
            return Fitted(_npz(probabilities), time.process_time() - started)
        assert folds is not None
        train, val, test = parts_of(windows, folds, fit.fold, fit.validation)
        train, val = (share_of_trials(w, fit.share, seed=fit.seed) if len(w) else w for w in (train, val))
        of: Start = fit.given["of"] if fit.kind == "tune" else fit.kind
        pretrained = start if "pretrain" in results else None
        learner = learner_of(of, fit.given["settings"], classes, seed=fit.seed, pretrained=pretrained)
        if fit.kind == "tune":
            if fit.validation == "none":  # judges of the search, who train in the fit that follows
                train, val, _ = parts_of(windows, folds, fit.fold, "fold")
            found = tune_inside(
                learner, train, val, n_trials=fit.given["trials"], seed=fit.seed, pick_epoch=fit.validation == "fold"
            )
            return Fitted(json.dumps(found, indent=1).encode(), time.process_time() - started)
        if "tune" in results:
            learner = learner.after(json.loads(results["tune"])["params"])
        return Fitted(_npz(learner.fit(train, val, test)), time.process_time() - started)


def _npz(probabilities: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{PROBABILITIES: probabilities.astype(np.float32)})
    return stream.getvalue()
