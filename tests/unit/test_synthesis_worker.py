"""What a synthesis worker needs: no torch, little memory, and no folder that it may write to."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

MOST_MB = 500
"""Of a worker's own memory, its share of what it shares included (PSS)."""

WORK = """
import json, sys
from pathlib import Path
from vimu.stages.synthesize_task import run_task, Task
from vimu.archives.config import load_archive
from vimu.body.placement import load_placements
from vimu.imu.presets import load_preset
folder, body = Path(sys.argv[1]), sys.argv[2]
files = tuple(sorted(p.name for p in folder.glob("*.npz")))
labels = (("a", "b", "c"),) * len(files)
task = Task("s", load_archive("amass").model_dump_json(), str(folder), body, files, labels, files)
from dataclasses import asdict
placements = load_placements(["left_wrist", "right_thigh", "head"])
row = run_task({
    "task": json.dumps(asdict(task)), "staging": str(folder / "out"),
    "placements": json.dumps([p.model_dump(mode="json") for p in placements]),
    "placement_error_m": 0.0, "seed": 0, "rate_hz": 60.0,
    "preset": load_preset("dip").model_dump_json(exclude_unset=True),
})
pss = next(int(l.split()[1]) for l in Path("/proc/self/smaps_rollup").read_text().splitlines() if l.startswith("Pss:"))
print(json.dumps(row | {"pss_mb": pss / 1024, "torch": "torch" in sys.modules}))
"""


@pytest.fixture
def takes(tmp_path):
    folder = tmp_path / "takes"
    (folder / "out" / "clips").mkdir(parents=True)
    (folder / "out" / ".tasks").mkdir()
    for i, n in enumerate((200, 3000)):
        t = np.arange(n)[:, None] / 120
        poses = 0.1 * np.sin(2 * np.pi * t * np.linspace(0.3, 1, 156))
        np.savez(
            folder / f"{i}_poses.npz", poses=poses, trans=0 * t * np.ones(3), betas=np.zeros(16), gender="male",
            mocap_framerate=120.0,
        )  # fmt: skip
    return folder


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_worker_takes_little_memory_and_no_torch(takes, demo_body):
    got = json.loads(run("-c", WORK, takes, demo_body).splitlines()[-1])
    assert (got["unit"], got["made"] > 100, got["left_out"]) == ("frames", True, "{}")
    assert not got["torch"]
    assert got["pss_mb"] < MOST_MB


def test_where_nothing_can_be_written_it_compiles_for_itself():
    """A read-only install and home: numba then finds no place for its cache, and refuses `cache=True`."""
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from vimu import rotations\n"
        "still = np.eye(3)[None]\n"
        "print(rotations.turns_between(still, still).tolist(), type(rotations._turns._cache).__name__)"
    )
    assert run("-c", code).strip() == "[[0.0, 0.0, 0.0]] NullCache"


def test_the_cache_goes_where_numba_cache_dir_says(tmp_path):
    code = (
        "import numpy as np; from vimu.rotations import turns_between; turns_between(np.eye(3)[None], np.eye(3)[None])"
    )
    run("-c", code, NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("rotations._turns-*.nbi"))
