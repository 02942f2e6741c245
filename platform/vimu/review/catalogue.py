"""The clips of a run, as its published `synthesize` folder holds them."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.clips.decisions import IN_RUN
from vimu.clips.schema import SCHEMA_VERSION, clips_from
from vimu.clips.statistics import STATISTICS
from vimu.contracts import ImuRecording
from vimu.runtime.errors import UserError
from vimu.runtime.published import SUCCESS, open_published
from vimu.runtime.storage import Location
from vimu.stages.sources import read_sources

COLUMNS = (
    "clip_id", "archive", "subject", "sequence", "description", "label", "rule", "source_rate_hz", "file_rate_hz",
    "gender", "body", "notes", "rate_hz", "n_frames", "sensors", "acc_rms", "acc_peak", "statistics",
)  # fmt: skip
"""What the list and the scores need; signals are read clip by clip."""
SHARDS_HELD = 2
"""Shards in memory: neighbours in the list often share one."""
MADE_BY = "python jobs/synthesize.py --config ... of that run"

Row = Mapping[str, Any]


class Catalogue:
    """A run's clips, in the order of the manifest's shards."""

    def __init__(self, run: Location) -> None:
        """`run` is a run's folder, or its `synthesize` folder.

        Raises:
            UserError: nothing is published there, it is damaged, or of an earlier version of the clips table.
        """
        folder = run if (run / SUCCESS).is_file() else run / "synthesize"
        self.published = open_published(folder, made_by=MADE_BY)
        if self.published.manifest["stage"] != "synthesize":
            raise UserError(
                f"`{folder}` must be a `synthesize` folder, but is of `{self.published.manifest['stage']}`."
            )
        self.run = folder.parent
        self._shards = self.published.files("clips/")
        self._place: list[tuple[int, int]] = []
        rows: list[Row] = []
        for shard, file in enumerate(self._shards):
            version = (file.schema().metadata or {}).get(b"schema_version", b"?").decode()
            if version != str(SCHEMA_VERSION):
                raise UserError(
                    f"`{file.where}` must be of version {SCHEMA_VERSION} of the clips table, but is of {version}. "
                    "Delete the folder and synthesize again."
                )
            table = file.columns(list(COLUMNS))
            self._place += [(shard, row) for row in range(len(table))]
            rows += table.to_pylist()
        self.rows = tuple(rows)
        self._table = lru_cache(maxsize=SHARDS_HELD)(self._read)
        self.sources = {row["clip_id"]: row for row in read_sources(self.published).values() if row["clip_id"]}
        named = Counter((row["archive"], row["sequence"]) for row in self.rows)
        self.ambiguous = frozenset(take for take, n in named.items() if n > 1)
        """Takes that lie in several files: no decision can name one of them."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run was made by: `settings`, `archives`, `placements`, `preset`, `label_rules`."""
        return dict(self.published.manifest["identity"])

    @property
    def categories(self) -> tuple[str, ...] | None:
        """What a clip may be relabelled as; None where labels are an archive's own names."""
        rules = self.identity["label_rules"]
        return None if rules is None else tuple(rules["categories"])

    @property
    def values(self) -> Float[np.ndarray, "clips sensors statistics"]:
        """`clip_statistics` of every clip. All clips of a run have the same sensors."""
        flat = np.array([row["statistics"] for row in self.rows], np.float64)
        return flat.reshape(len(self), -1, len(STATISTICS))

    def recording(self, clip: int) -> ImuRecording:
        """What a clip's sensors measured. Raises UserError: its shard is missing or damaged."""
        shard, row = self._place[clip]
        return clips_from(self._table(shard).slice(row, 1))[0].recording

    def _read(self, shard: int) -> pa.Table:
        return self._shards[shard].table()

    def default_decisions(self) -> Path:
        """Where decisions go unless told otherwise. Raises UserError: the run is in an object store."""
        if not isinstance(self.run, Path):
            raise UserError(f"`--decisions` must be a file of this machine, as `{self.run}` is in a store.")
        return self.run / IN_RUN

    def listing(self, longest: int) -> dict[str, list[Any]]:
        """What the list shows, by column; texts cut at `longest` characters."""
        return {
            name: [row[name][:longest] for row in self.rows]
            for name in ("clip_id", "archive", "sequence", "description", "label", "rule")
        } | {
            "seconds": [round(row["n_frames"] / row["rate_hz"], 2) for row in self.rows],
            "rate_hz": [row["source_rate_hz"] for row in self.rows],
            "corrected": [row["source_rate_hz"] != row["file_rate_hz"] for row in self.rows],
        }
