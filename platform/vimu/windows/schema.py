"""The windows table: one Parquet row a window, and reading it back as arrays or as a torch Dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from vimu.runtime.errors import UserError, listed
from vimu.runtime.published import SUCCESS, open_published
from vimu.runtime.storage import StoredFile, location
from vimu.windows.features import FEATURE_SETS
from vimu.windows.settings import WindowSettings
from vimu.windows.windowing import channels_of

if TYPE_CHECKING:
    from torch.utils.data import Dataset

SCHEMA_VERSION = 2


def window_schema(settings: WindowSettings, sensors: Sequence[str]) -> pa.Schema:
    """Columns of the windows table; its metadata says what a frame holds."""
    channels = channels_of(settings, sensors)
    spec = FEATURE_SETS[settings.feature_set]
    return pa.schema(
        [
            pa.field("window_id", pa.string(), nullable=False),
            pa.field("dataset", pa.string(), nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("subject", pa.string(), nullable=False),
            pa.field("label", pa.string(), nullable=False),
            pa.field("start_frame", pa.int32(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("speed", pa.float32(), nullable=False),
            pa.field("x", pa.fixed_shape_tensor(pa.float32(), (settings.length_frames, len(channels))), nullable=False),
        ],
        metadata={
            "schema": "vimu.windows",
            "schema_version": str(SCHEMA_VERSION),
            "rate_hz": repr(settings.rate_hz),
            "feature_set": settings.feature_set,
            "channels": ",".join(channels),
            "frame": spec.frame,
            "gravity": spec.gravity,
        },
    )


@dataclass(frozen=True)
class WindowSet:
    """Windows in memory."""

    x: Float[np.ndarray, "windows length channels"]
    label: np.ndarray[Any, np.dtype[np.str_]]
    subject: np.ndarray[Any, np.dtype[np.str_]]
    """Subject; the clip where the archive names none."""
    split: np.ndarray[Any, np.dtype[np.str_]]
    dataset: np.ndarray[Any, np.dtype[np.str_]]
    window_id: np.ndarray[Any, np.dtype[np.str_]]
    channels: tuple[str, ...]
    rate_hz: float
    feature_set: str
    speed: Float[np.ndarray, " windows"]
    """1, or that of an up-sampled copy, which there are in training only."""

    def __repr__(self) -> str:
        _, length, channels = self.x.shape
        return (
            f"WindowSet({len(self)} windows of {length} frames x {channels} channels at {self.rate_hz:g} Hz, "
            f"{self.feature_set}, datasets {', '.join(sorted(set(self.dataset.tolist())))}, "
            f"splits {', '.join(sorted(set(self.split.tolist())))})"
        )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        return tuple(sorted(set(self.label.tolist())))

    def where(
        self, *, dataset: str | Sequence[str] | None = None, split: str | Sequence[str] | None = None
    ) -> "WindowSet":
        """Those windows of one or several datasets and splits."""
        keep = np.ones(len(self), dtype=bool)
        for column, wanted in ((self.dataset, dataset), (self.split, split)):
            if wanted is not None:
                keep &= np.isin(column, [wanted] if isinstance(wanted, str) else list(wanted))
        return self.take(np.flatnonzero(keep))

    def take(self, index: Int[np.ndarray, " chosen"]) -> "WindowSet":
        """The windows at `index`, in that order."""
        return WindowSet(
            self.x[index], self.label[index], self.subject[index], self.split[index], self.dataset[index],
            self.window_id[index], self.channels, self.rate_hz, self.feature_set, self.speed[index],
        )  # fmt: skip

    @property
    def source(self) -> np.ndarray[Any, np.dtype[np.str_]]:
        """Clip or trial that each window was cut from, as `window_id` begins; a copy of a clip is one of its own."""
        return np.array([name.rpartition(":")[0] for name in self.window_id.tolist()], dtype=np.str_)

    @property
    def start_frame(self) -> Int[np.ndarray, " windows"]:
        """Frame of its source that each window begins at, as `window_id` ends."""
        return np.array([int(name.rpartition(":")[2]) for name in self.window_id.tolist()], dtype=np.int64)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Sensors whose channels the windows hold, in order."""
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.channels))

    def of_sensors(self, sensors: Sequence[str]) -> "WindowSet":
        """The same windows with the channels of some sensors only, in the order of the windows' own.

        Raises:
            UserError: none is named, one is named twice, or one is not in the windows.
        """
        if not sensors or len(set(sensors)) < len(sensors) or not set(sensors) <= set(self.sensors):
            named = ", ".join(sensors) or "none"
            raise UserError(f"`sensors` must be some of {listed(self.sensors, 20)}, each once, but are {named}.")
        columns = [i for i, name in enumerate(self.channels) if name.split(".")[0] in sensors]
        x = np.ascontiguousarray(self.x[:, :, columns])
        return replace(self, x=x, channels=tuple(self.channels[i] for i in columns))

    def targets(self, classes: Sequence[str]) -> Int[np.ndarray, " windows"]:
        """Index of each window's label in `classes`."""
        index = {name: i for i, name in enumerate(classes)}
        unknown = set(self.label.tolist()) - set(index)
        if unknown:
            raise UserError(f"labels must be among {listed(classes, 20)}, but {listed(unknown)} occur.")
        return np.array([index[name] for name in self.label.tolist()], dtype=np.int64)

    def torch_dataset(self, classes: Sequence[str] | None = None) -> "Dataset[Any]":
        """A torch Dataset of (x (L, C) float32, class index)."""
        import torch
        from torch.utils.data import TensorDataset

        return TensorDataset(torch.from_numpy(self.x), torch.from_numpy(self.targets(classes or self.classes)))


def read_windows(files: Sequence[StoredFile]) -> WindowSet:
    """Windows of Parquet files of `window_schema`, ordered by id whatever order they were written in."""
    table = pa.concat_tables([file.table() for file in files])
    table = table.sort_by("window_id")
    meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    x = table.column("x").combine_chunks()
    array = x.chunk(0) if isinstance(x, pa.ChunkedArray) else x
    # tables of schema 1 have no copies
    speed = table.column("speed").to_numpy() if "speed" in table.column_names else np.ones(len(table), np.float32)
    column = {name: np.array(table.column(name).to_pylist(), dtype=np.str_) for name in COLUMNS}
    return WindowSet(
        x=np.array(array.to_numpy_ndarray()),
        label=column["label"],
        subject=column["subject"],
        split=column["split"],
        dataset=column["dataset"],
        window_id=column["window_id"],
        channels=tuple(meta["channels"].split(",")),
        rate_hz=float(meta["rate_hz"]),
        feature_set=meta["feature_set"],
        speed=np.array(speed),
    )


COLUMNS = ("label", "subject", "split", "dataset", "window_id")


def load_windows(run: Path | str) -> WindowSet:
    """All windows of a run, virtual and real, of every split: `vimu.load_windows("runs/demo")`.

    `.where(dataset="dip", split="train")` takes those that a model may be trained on.

    Args:
        run: a run folder, or its `prepare` folder.

    Raises:
        UserError: nothing is published there, or it is damaged.
    """
    folder = location(run)
    if (folder / "prepare" / SUCCESS).is_file():
        folder = folder / "prepare"
    published = open_published(folder, made_by="python jobs/prepare.py --config ...")
    if published.manifest["stage"] != "prepare":
        raise UserError(
            f"`run` must be a run or its `prepare` folder, but `{run}` is of `{published.manifest['stage']}`."
        )
    return read_windows(published.files("windows/"))
