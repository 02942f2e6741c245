"""What speaks against each clip, found while the page is open already, and kept beside the run."""

import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vimu.body.placement import Placement
from vimu.clips.plausibility import load_limits
from vimu.clips.schema import split_group
from vimu.review.catalogue import Catalogue
from vimu.review.suspicion import doubts
from vimu.runtime.errors import OperationError
from vimu.runtime.storage import write_whole

VERSION = 1
"""Of how clips are scored: what an earlier version kept is found anew."""
KEPT_IN = ".review"


class Scoring:
    """Doubts about all clips of a run; `begin` finds them."""

    def __init__(self, catalogue: Catalogue, placements: Sequence[Placement]) -> None:
        self._catalogue, self._placements = catalogue, placements
        self._state: dict[str, Any] = {"state": "working"}
        self._thread = threading.Thread(target=self._find, name="doubts", daemon=True)

    def begin(self) -> None:
        """Find them, in a thread that does not keep the process from ending."""
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until they are found."""
        self._thread.join(timeout_s)

    def state(self) -> dict[str, Any]:
        """`state`: `working`, `done` or `failed`, with `why`; of `done` `suspicion`, `kinds` and `reasons` a clip."""
        return self._state

    def _find(self) -> None:
        try:
            self._state = self._kept() or self._found()
        except Exception as error:  # noqa: BLE001 - the page works without, and says why it must
            self._state = {"state": "failed", "why": f"{type(error).__name__}: {error}"}

    def _found(self) -> dict[str, Any]:
        rows = self._catalogue.rows
        groups = [split_group(row) for row in rows]
        labels, sensors = [row["label"] for row in rows], rows[0]["sensors"]
        found = doubts(self._catalogue.values, labels, groups, sensors, self._placements, load_limits())
        state = {
            "state": "done",
            "suspicion": [round(doubt.suspicion, 3) for doubt in found],
            "kinds": [{kind: round(value, 3) for kind, value in doubt.kinds.items()} for doubt in found],
            "reasons": [doubt.reasons for doubt in found],
        }
        place = self._place()
        if place is not None:
            with contextlib.suppress(OSError, OperationError):  # somebody else's run: found anew each time
                write_whole(place, json.dumps(state))
        return state

    def _kept(self) -> dict[str, Any] | None:
        place = self._place()
        if place is None or not place.is_file():
            return None
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))
            same = kept["state"] == "done" and len(kept["suspicion"]) == len(self._catalogue)
        except (OSError, ValueError, KeyError, TypeError):  # a cache: what is wrong with it is found anew
            return None
        return kept if same else None

    def _place(self) -> Path | None:
        """Named by what the scores are of; None in an object store."""
        run, published = self._catalogue.run, self._catalogue.published
        labels = published.details["labels_hash"]
        name = f"doubts-{VERSION}-{published.content_hash[:12]}-{labels[:12]}.json"
        return run / KEPT_IN / name if isinstance(run, Path) else None
