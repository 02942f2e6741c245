"""The light columns of a run's clips, windows and rejections: arrays are read only where a curve is drawn of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from vimu.clips.schema import clips_from
from vimu.contracts import ImuRecording
from vimu.runtime.published import Published
from vimu.windows.schema import WindowSet, read_windows

Texts = np.ndarray[Any, np.dtype[np.str_]]
CLIPS = ("clip_id", "archive", "sequence", "label", "rate_hz", "n_frames", "acc_rms")
WINDOWS = ("window_id", "dataset", "source_id", "subject", "label", "split", "start_frame")


@dataclass(frozen=True)
class Clips:
    """Clips, a row each; `file` is the index of the shard that holds it."""

    clip_id: Texts
    archive: Texts
    sequence: Texts
    label: Texts
    rate_hz: Float[np.ndarray, " clips"]
    n_frames: Int[np.ndarray, " clips"]
    acc_rms: Float[np.ndarray, " clips"]
    file: Int[np.ndarray, " clips"]

    @property
    def seconds(self) -> Float[np.ndarray, " clips"]:
        return np.asarray(self.n_frames / self.rate_hz)


@dataclass(frozen=True)
class Windows:
    """Windows, a row each, and what all share."""

    window_id: Texts
    dataset: Texts
    source_id: Texts
    subject: Texts
    label: Texts
    split: Texts
    start_frame: Int[np.ndarray, " windows"]
    file: Int[np.ndarray, " windows"]
    rate_hz: float
    length_frames: int
    gravity: str

    def __len__(self) -> int:
        return len(self.window_id)


def clips_of(synthesized: Published) -> Clips:
    """All clips."""
    return Clips(**_columns(synthesized, "clips/", CLIPS))


def windows_of(prepared: Published) -> Windows:
    """All windows."""
    schema = prepared.files("windows/")[0].schema()
    meta = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    return Windows(
        **_columns(prepared, "windows/", WINDOWS), rate_hz=float(meta["rate_hz"]),
        length_frames=int(schema.field("x").type.shape[0]), gravity=meta["gravity"],
    )  # fmt: skip


def recordings_of(synthesized: Published, clips: Clips, rows: Sequence[int]) -> dict[int, ImuRecording]:
    """The recordings of some clips, by their row; their shards are checked, one at a time in memory."""
    found: dict[int, ImuRecording] = {}
    files = synthesized.files("clips/")
    for at in sorted({int(clips.file[row]) for row in rows}):
        of_file = {str(clips.clip_id[row]): row for row in rows if clips.file[row] == at}
        table = files[at].table()
        chosen = [i for i, name in enumerate(table.column("clip_id").to_pylist()) if name in of_file]
        for clip in clips_from(table.take(chosen)):
            found[of_file[clip.clip_id]] = clip.recording
    return found


def window_sets(prepared: Published, windows: Windows, ids: set[str]) -> dict[str, WindowSet]:
    """Some windows with their arrays, by id, each a set of one; their shards are checked, one at a time in memory."""
    wanted = np.isin(windows.window_id, list(ids))
    files = prepared.files("windows/")
    found: dict[str, WindowSet] = {}
    for at in sorted(set(windows.file[wanted].tolist())):
        shard = read_windows([files[at]])
        for i in np.flatnonzero(np.isin(shard.window_id, list(ids))).tolist():
            found[str(shard.window_id[i])] = shard.take(np.array([i]))
    return found


def rejections_of(published: Published) -> list[Mapping[str, str]]:
    """Rows of `rejections.parquet`."""
    rows: list[Mapping[str, str]] = published.file("rejections.parquet").table().to_pylist()
    return rows


def _columns(published: Published, prefix: str, names: Sequence[str]) -> dict[str, Any]:
    tables = [file.columns(list(names)) for file in published.files(prefix)]
    table = pa.concat_tables(tables)
    columns: dict[str, Any] = {}
    for name in names:
        column = table.column(name)
        text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
        columns[name] = np.array(column.to_pylist(), dtype=np.str_) if text else column.to_numpy()
    columns["file"] = np.repeat(np.arange(len(tables)), [len(part) for part in tables])
    return columns
