"""The filters as a step of `prepare`: which clips of the plan they drop, and what is published to look at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.clips.class_statistics import ClassStatistics
from vimu.clips.curation import by_person
from vimu.clips.filters import OTHER_CLASS, FilterSettings, Judgement, judge_clips
from vimu.clips.statistics import STATISTICS
from vimu.contracts import Reason, Rejection
from vimu.runtime.errors import UserError, listed
from vimu.runtime.storage import Location, StoredFile
from vimu.stages.shards import Row, write_shard

FILTERED_SPLITS = {"train": ("train",), "train_and_val": ("train", "val"), "all": ("train", "val", "test")}
CLIPS, CLASSES = "filters/clips.parquet", "filters/classes.parquet"


@dataclass(frozen=True)
class Filtered:
    """What the filters make of the clips that are long enough for a window."""

    rejections: Mapping[str, Rejection]
    """By clip id: those dropped."""
    by_filter: Mapping[str, int]
    """Filter -> clips dropped."""
    left_alone: Mapping[str, str]
    """Class -> why its clips are not filtered."""
    clips: pa.Table
    """A row a clip that was looked at: its statistics, and the filter that dropped it."""
    classes: pa.Table
    """A row a class, statistic and sensor: median and thresholds."""

    def tables(self) -> dict[str, list[tuple[str, int]]]:
        """What a person sees of it in the plan."""
        counts = Counter(self.clips.column("label").to_pylist())
        alone = [(f"{label}: {why}", counts[label]) for label, why in self.left_alone.items()]
        return {"unlike their label, by filter": list(self.by_filter.items()), "classes left alone (clips)": alone}

    def summary(self) -> dict[str, object]:
        """For the manifest."""
        return {"dropped_by": dict(self.by_filter), "left_alone": dict(self.left_alone)}

    def write(self, staging: Location) -> None:
        """Publish both tables."""
        write_shard(staging / CLIPS, self.clips, dictionary=["label", "split", "unlike"])
        write_shard(staging / CLASSES, self.classes, dictionary=["label", "statistic", "sensor"])


def filter_clips(
    files: Sequence[StoredFile], rows: Sequence[Row], splits: Sequence[str], settings: FilterSettings
) -> Filtered:
    """Judge the clips of the splits that `settings` names, by thresholds from the training split.

    Args:
        files: shards of the clips table.
        rows: `clip_id`, `sequence`, `label` and `rule` of the clips that are to be cut. What a person decided stands,
            and counts in the statistics.
        splits: of each row.

    Raises:
        UserError: the clips hold no statistics, or lack a sensor asked for.
    """
    sensors, of_clip = _statistics(files, settings.sensors)
    seen = [
        (row, split) for row, split in zip(rows, splits, strict=True) if split in FILTERED_SPLITS[settings.splits]
    ]  # fmt: skip
    labels = [row["label"] for row, _ in seen]
    values = np.stack([of_clip[row["clip_id"]] for row, _ in seen])
    judged = judge_clips(values, labels, np.array([split == "train" for _, split in seen]), sensors, settings)
    verdicts = [None if by_person(row["rule"]) else v for (row, _), v in zip(seen, judged.verdicts, strict=True)]
    judged = replace(judged, verdicts=tuple(verdicts))
    found = [(row, verdict) for (row, _), verdict in zip(seen, judged.verdicts, strict=True) if verdict is not None]
    return Filtered(
        rejections={
            row["clip_id"]: Rejection(row["sequence"], Reason.UNLIKE_LABEL, verdict.detail) for row, verdict in found
        },
        by_filter=dict(sorted(Counter(verdict.filter for _, verdict in found).items())),
        left_alone=judged.left_alone,
        clips=_clips_table(seen, values, judged, sensors),
        classes=_classes_table(judged.statistics, settings),
    )


def _statistics(
    files: Sequence[StoredFile], wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, Float[np.ndarray, "sensors statistics"]]]:
    """Sensors looked at, and each clip's statistics there; the clips' signals are not read."""
    sensors, of_clip = wanted, {}
    for file in files:
        if (file.schema().metadata or {}).get(b"statistics", b"").decode() != ",".join(STATISTICS):
            raise UserError(
                f"`prepare.filters` must be null for clips without {', '.join(STATISTICS)}, but is set, and "
                f"`{file.where}` is of another version: run jobs/synthesize.py under another `name`."
            )
        for row in file.columns(["clip_id", "sensors", "statistics"]).to_pylist():
            sensors = row["sensors"] if sensors is None else sensors
            lacking = [s for s in sensors if s not in row["sensors"]]
            if lacking:
                raise UserError(
                    f"`prepare.filters.sensors` must be synthesized ({listed(row['sensors'], 20)}), but "
                    f"{', '.join(lacking)} is not."
                )
            table = np.array(row["statistics"]).reshape(len(row["sensors"]), len(STATISTICS))
            of_clip[row["clip_id"]] = table[[row["sensors"].index(s) for s in sensors]]
    assert sensors is not None
    return tuple(sensors), of_clip


def _clips_table(
    seen: Sequence[tuple[Row, str]],
    values: Float[np.ndarray, "clips sensors statistics"],
    judged: Judgement,
    sensors: Sequence[str],
) -> pa.Table:
    """Statistics in their units, `STATISTIC@SENSOR` a column; `margin` is null where the class is left alone."""
    verdicts = judged.verdicts
    columns = {
        "clip_id": [row["clip_id"] for row, _ in seen],
        "sequence": [row["sequence"] for row, _ in seen],
        "label": [row["label"] for row, _ in seen],
        "split": [split for _, split in seen],
        "unlike": pa.array([None if v is None else v.filter for v in verdicts], pa.string()),
        "detail": pa.array([None if v is None else v.detail for v in verdicts], pa.string()),
        "margin": pa.array(judged.margin, from_pandas=True),  # NaN becomes null
    }
    for s, sensor in enumerate(sensors):
        columns |= {f"{name}@{sensor}": np.exp(values[:, s, k]) for k, name in enumerate(STATISTICS)}
    return pa.table(columns)


CLASSES_SCHEMA = pa.schema(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("statistic", pa.string(), nullable=False),
        pa.field("sensor", pa.string()),
        pa.field("median", pa.float64(), nullable=False),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
    ]
)
"""Thresholds are null where the filter is off; `other_class` has a margin's, without sensor."""


def _classes_table(statistics: ClassStatistics | None, settings: FilterSettings) -> pa.Table:
    rows: list[Row] = []
    for c, label in enumerate(statistics.classes if statistics is not None else ()):
        assert statistics is not None
        for s, sensor in enumerate(statistics.sensors):
            for k, name in enumerate(STATISTICS):
                median, limit = statistics.median[c, s, k], settings.limit(name)
                reach = None if limit is None else limit * statistics.deviation[c, s, k]
                rows.append(
                    {
                        "label": label, "statistic": name, "sensor": sensor, "median": np.exp(median),
                        "low": None if reach is None else np.exp(median - reach),
                        "high": None if reach is None else np.exp(median + reach),
                    }
                )  # fmt: skip
        if len(statistics.classes) > 1:
            median, limit = statistics.margin_median[c], settings.other_class
            # a clip is found only where the other class is nearer, whatever its class's margins are
            low = None if limit is None else min(0.0, median - limit * statistics.margin_deviation[c])
            rows.append({"label": label, "statistic": OTHER_CLASS, "sensor": None, "median": median, "low": low})
    return pa.Table.from_pylist(rows, CLASSES_SCHEMA)
