"""Windows to tune on, published as `prepare` publishes them: small, quick to learn, with people kept apart."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vimu.runtime.config import validate
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.stages.config import Config
from vimu.windows.schema import window_schema
from vimu.windows.settings import WindowSettings

LABELS = ("bending", "hopping", "walking")
SPLITS = {"train": 8, "val": 4, "test": 4}
"""Windows of each activity and dataset."""
SETTINGS = WindowSettings(rate_hz=20.0, length_frames=24, hop_frames=12, feature_set="sensor_acc")


def publish_windows(run_dir: Path, *, test_scale: float = 1.0) -> None:
    """`run_dir/prepare`: dataset `mocap` is virtual, `worn` is real.

    Args:
        test_scale: test windows are multiplied by it, to see who looks at them.
    """

    def build(staging: Any, _: object) -> Outcome:
        (staging / "windows").mkdir(parents=True, exist_ok=True)
        table = _table(test_scale)
        pq.write_table(table, staging / "windows" / "0.parquet")
        counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for dataset, split, label in zip(*(table[c].to_pylist() for c in ("dataset", "split", "label")), strict=True):
            counts[dataset][split][label] += 1
        return Outcome(
            counts={"windows": 1}, content_hash="toy", licences={"mocap": "none", "worn": "none"},
            details={
                "virtual_datasets": ["mocap"], "real_dataset": "worn", "labels_hash": "toy",
                "synthetic": {"mocap": True, "worn": True}, "windows": counts,
            },
        )  # fmt: skip

    publish(run_dir / "prepare", identity={"stage": "prepare"}, build=build, made_by="-")


def tune_config(runs_dir: Path, study: Path, **tune: Any) -> Config:
    """A run that tunes a small network on the windows of `publish_windows(config.run_dir)`."""
    raw = {
        "name": "toy",
        "runs_dir": str(runs_dir),
        "pretrain": {"model": {"widths": [4, 8], "hidden": 8}, "batch_size": 16},
        "tune": {"study": str(study), "n_trials": 4, "pretrain_epochs": 3, **tune},
        "finetune": {"epochs": 3, "batch_size": 16},
        "ray": {"num_cpus": 2, "object_store_mb": 100},
    }
    return validate(Config, raw, where="test")


def write_study(path: Path, space: str, *more: str) -> Path:
    """A study's YAML: `space` in flow style, further keys line by line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["kind: settings", f"space: {space}", *more]) + "\n")
    return path


def _table(test_scale: float) -> pa.Table:
    rng = np.random.default_rng(0)
    rows = [
        (dataset, split, label, i)
        for dataset in ("mocap", "worn")
        for split, n in SPLITS.items()
        for label in LABELS
        for i in range(n)
    ]
    time_s = np.arange(SETTINGS.length_frames) / SETTINGS.rate_hz
    cycles = {label: np.sin(2 * np.pi * (1 + i) * time_s) for i, label in enumerate(LABELS)}
    x = np.stack([cycles[label][:, None] + rng.normal(scale=0.7, size=(len(time_s), 3)) for _, _, label, _ in rows])
    x *= np.array([test_scale if split == "test" else 1.0 for _, split, _, _ in rows])[:, None, None]
    names = [f"{dataset}-{split}-{label}-{i}" for dataset, split, label, i in rows]
    return pa.table(
        {
            "window_id": names, "dataset": [row[0] for row in rows], "source_id": names,
            "subject": [f"{row[0]}-{row[1]}" for row in rows], "label": [row[2] for row in rows],
            "start_frame": np.zeros(len(rows), np.int32), "split": [row[1] for row in rows],
            "speed": np.ones(len(rows), np.float32),
            "x": pa.FixedShapeTensorArray.from_numpy_ndarray(x.astype(np.float32)),
        },
        schema=window_schema(SETTINGS, ["chest"]),
    )  # fmt: skip
