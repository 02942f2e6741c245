"""What fits gave, as files: a killed run goes on with those that are not there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.contracts import Reason, Rejection
from vimu.runtime.safe_load import load_npz
from vimu.runtime.storage import write_whole
from vimu.tuning.fits import PROBABILITIES, Fit
from vimu.windows.schema import WindowSet


@dataclass(frozen=True)
class Part:
    """The windows that some fits look at, and their classes."""

    windows: WindowSet
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """The folder of results. A part is whole where its mark is: the mark is written last."""

    folder: Path

    def result(self, fit: Fit) -> Path:
        """The file that holds what the fit gave."""
        return self.folder / f"{fit.name}{fit.suffix}"

    def mark(self, fit: Fit) -> Path:
        """What it cost."""
        return self.folder / f"{fit.name}.done.json"

    def has(self, fit: Fit) -> bool:
        """Whether it need not be fitted again."""
        return self.mark(fit).is_file() and self.result(fit).is_file()

    def costs(self, fits: Sequence[Fit]) -> dict[Fit, dict[str, float]]:
        """What those fits cost that are done: `cpu_s` and the `units` they were."""
        return {fit: json.loads(self.mark(fit).read_text(encoding="utf-8")) for fit in fits if self.has(fit)}

    def probabilities(self, fit: Fit, shape: tuple[int, int]) -> Float[np.ndarray, "n N"]:
        """Class probabilities that a fit gave. Raises Rejection: the file is damaged."""
        path = self.result(fit)
        held = load_npz(path, [PROBABILITIES]).get(PROBABILITIES)
        if held is None or held.shape != shape:
            raise Rejection(str(path), Reason.UNREADABLE, f"does not hold probabilities of {shape}. Delete it")
        return held

    def put(self, fit: Fit, content: bytes, cpu_s: float, units: float) -> None:
        """Write a result, then its mark."""
        write_whole(self.result(fit), content)
        write_whole(self.mark(fit), json.dumps({"cpu_s": round(cpu_s, 3), "units": units}))
