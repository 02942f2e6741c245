"""What fits gave, as files: a killed run goes on with those that are not there, or not as they were written."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.contracts import Reason, Rejection
from vimu.runtime.safe_load import load_npz
from vimu.runtime.storage import file_sha256, write_whole
from vimu.tuning.fits import PROBABILITIES, Fit
from vimu.windows.schema import WindowSet


@dataclass(frozen=True)
class Part:
    """The windows that some fits look at, and their classes."""

    windows: WindowSet
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """The folder of results. A part is whole where its mark is, with its sha256: the mark is written last."""

    folder: Path

    def result(self, fit: Fit) -> Path:
        """The file that holds what the fit gave."""
        return self.folder / f"{fit.name}{fit.suffix}"

    def mark(self, fit: Fit) -> Path:
        """What it cost, and the sha256 of what it gave."""
        return self.folder / f"{fit.name}.done.json"

    def has(self, fit: Fit) -> bool:
        """Whether it need not be fitted again."""
        return self._marked(fit) is not None

    def is_damaged(self, fit: Fit) -> bool:
        """Whether it was whole once, and is no more: its file is gone or altered, or its mark is."""
        return self.mark(fit).is_file() and not self.has(fit)

    def costs(self, fits: Sequence[Fit]) -> dict[Fit, dict[str, float]]:
        """What those fits cost that are done: `cpu_s` and the `units` they were."""
        marked = {fit: self._marked(fit) for fit in fits}
        return {fit: {"cpu_s": m["cpu_s"], "units": m["units"]} for fit, m in marked.items() if m is not None}

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
        mark = {"cpu_s": round(cpu_s, 3), "units": units, "sha256": hashlib.sha256(content).hexdigest()}
        write_whole(self.mark(fit), json.dumps(mark))

    def _marked(self, fit: Fit) -> dict[str, Any] | None:
        """The mark of a whole part."""
        try:
            mark = json.loads(self.mark(fit).read_bytes())
            whole = {"cpu_s", "units", "sha256"} == set(mark) and mark["sha256"] == file_sha256(self.result(fit))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return mark if whole else None
