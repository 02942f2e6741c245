"""Clips to review: published folders made row by row, and a server in a thread of this process."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vimu.archives.config import load_archive
from vimu.body.placement import load_placements
from vimu.clips.labels import load_label_rules
from vimu.clips.schema import CLIP_SCHEMA
from vimu.clips.statistics import STATISTICS
from vimu.imu.presets import load_preset
from vimu.review.review import Review
from vimu.review.server import start
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.stages.config import SynthesizeSettings
from vimu.stages.sources import source_row, write_clips, write_sources

SENSORS = ("left_wrist", "head")
N_FRAMES = 12

HOSTILE = {
    "html": "<img src=x onerror=\"document.title='owned'\"><b>bold</b>",
    "script": "</script><script>document.title='owned'</script>",
    "quotes": '\' onclick=\'document.title="owned"\' " onfocus="x',
    "long": "walk_" + "a" * 100_000,
    "template": "{{token}} ${document.title='owned'} %s",
    "unicode": "\u202egnp.knil\u202c \u0645\u0634\u064a 歩く 🚶‍♀️ \u0301\u0301\u0301\u0301 \u2028 \x07",
}
"""Names and descriptions that a page must show as text."""


def rows_of(n: int, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """`n` clips of two sensors with random signals; `columns` in place of what is made up."""
    rng = np.random.default_rng(0)
    labels = ("walking", "running", "jumping")
    rows = []
    for i in range(n):
        made = {
            "clip_id": f"{i:032x}", "archive": "bandai", "subject": f"s{i % 7}", "sequence": f"data/clip_{i:05d}",
            "description": f"data clip {i}", "label": labels[i % 3], "rule": labels[i % 3],
            "source_rate_hz": 30.0, "file_rate_hz": 30.0, "gender": None, "body": None, "notes": [],
            "rate_hz": 60.0, "n_frames": N_FRAMES, "sensors": list(SENSORS), "acc_rms": 1.0, "acc_peak": 2.0,
            "statistics": rng.normal(i % 3, 0.3, len(SENSORS) * len(STATISTICS)), "sha256": f"{i:064x}",
            "acc": rng.normal(size=N_FRAMES * len(SENSORS) * 3), "gyr": rng.normal(size=N_FRAMES * len(SENSORS) * 3),
            "ori": np.tile(np.eye(3).ravel(), N_FRAMES * len(SENSORS)),
        }  # fmt: skip
        rows.append(made | {name: values[i] for name, values in columns.items()})
    return rows


def hostile_rows() -> list[dict[str, Any]]:
    """A clip each of `HOSTILE`, in every text column."""
    texts = list(HOSTILE.values())
    return rows_of(
        len(texts), sequence=[f"data/{text}" for text in texts], description=texts, subject=texts, rule=texts,
        notes=[[text] for text in texts], label=[text[:300] for text in texts], archive=["bandai"] * len(texts),
    )  # fmt: skip


def publish_clips(
    folder: Path, rows: Sequence[Mapping[str, Any]], *, root: Path, files: Mapping[int, str] | None = None
) -> Path:
    """Publish rows as a run's clips; the run's folder.

    Args:
        root: the archive's; need not exist.
        files: path below it by clip; else as the clip's sequence says.
    """
    settings = SynthesizeSettings.model_validate(
        {"inputs": [{"archive": "bandai", "root": str(root)}], "placements": SENSORS}
    )

    def build(staging, previous):
        shard = write_clips(staging, "bandai-0", pa.Table.from_pylist(list(rows), CLIP_SCHEMA))
        sources = []
        for i, row in enumerate(rows):
            path = (files or {}).get(i, f"{row['sequence']}.bvh")
            known = {"archive": "bandai", "root": str(root), "path": path, "bytes": 0, "mtime_ns": 0}
            asked = {"asked_label": row["label"], "asked_rule": row["rule"], "asked_clip_id": row["clip_id"]}
            sources.append(source_row(known | asked, {**row, "shard": "bandai-0"}, None))
        return Outcome(
            counts={"clips": len(rows)}, content_hash="0" * 64, files=[shard, write_sources(staging, sources)],
            details={"synthetic": True, "labels_hash": "1" * 64},
        )  # fmt: skip

    identity = {
        "stage": "synthesize", "settings": settings.model_dump(mode="json"),
        "archives": [load_archive("bandai").model_dump(mode="json", exclude={"style"})],
        "placements": [p.model_dump(mode="json") for p in load_placements(SENSORS)],
        "preset": load_preset("dip").model_dump(mode="json", exclude={"evidence"}),
        "label_rules": load_label_rules("daily12").model_dump(mode="json"),
    }  # fmt: skip
    publish(folder / "synthesize", identity=identity, build=build, made_by="-")
    return folder


class Known:
    """Doubts that are there from the beginning."""

    def __init__(self, suspicion):
        self._suspicion = list(suspicion)

    def state(self):
        n = len(self._suspicion)
        return {"state": "done", "suspicion": self._suspicion, "kinds": [{}] * n, "reasons": [[]] * n}


@contextmanager
def served(review: Review) -> Iterator[str]:
    """Serve a review on loopback meanwhile; its address, with the key."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner, address = asyncio.run_coroutine_threadsafe(start(review, 0), loop).result(30)
    try:
        yield address
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
