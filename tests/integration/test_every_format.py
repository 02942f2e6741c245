"""A generated archive of each format, some hundred files each, by its YAML alone: every file is a clip or a reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.takes import write_bvh_clips

from smpl_models import write_model
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.stages import synthesize

pytestmark = [pytest.mark.ray, pytest.mark.slow]

N_FILES, N_FRAMES, DAMAGED = 240, 80, 3


def write_amass(root: Path, ending: str, n_joints: int, rate_key: str) -> None:
    rng = np.random.default_rng(n_joints)
    t = np.arange(N_FRAMES)[:, None] / 120
    for i in range(N_FILES):
        path = root / "CMU" / f"{i % 12:02d}" / f"walk_{i:03d}_{ending}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        poses = 0.1 * np.sin(2 * np.pi * rng.uniform(0.3, 1, 3 * n_joints) * t + rng.uniform(0, 6, 3 * n_joints))
        np.savez(path, poses=poses, trans=np.zeros((N_FRAMES, 3)), betas=np.zeros(16), gender="neutral",
                 **{rate_key: np.array(120.0)})  # fmt: skip


def write_asf_amc(root: Path, config: ArchiveConfig) -> None:
    """Twelve people: a skeleton with the bones that `config` names, and takes of random turns."""
    root.mkdir()
    rng = np.random.default_rng(3)
    named = (n for s in config.segments.values() for n in (s.joint, s.end) if n is not None)
    bones = [n for n in dict.fromkeys(named) if n != "root"]
    blocks = "".join(
        f"  begin\n    id {i + 1}\n    name {bone}\n    direction 0 1 0\n    length 5\n    axis 0 0 0 XYZ\n"
        "    dof rx ry rz\n    limits (-180 180)\n           (-180 180)\n           (-180 180)\n  end\n"
        for i, bone in enumerate(bones)
    )
    chain = "".join(f"    {a} {b}\n" for a, b in zip(("root", *bones), bones, strict=False))
    for i in range(12):
        (root / f"{i:02d}.asf").write_text(
            ":version 1.10\n:units\n  mass 1.0\n  length 0.45\n  angle deg\n:root\n  order TX TY TZ RX RY RZ\n"
            f"  axis XYZ\n  position 0 0 0\n  orientation 0 0 0\n:bonedata\n{blocks}:hierarchy\n  begin\n{chain}  end\n"
        )
    for i in range(N_FILES):
        turns = np.cumsum(rng.normal(0, 0.02, (N_FRAMES, len(bones), 3)), axis=0)
        frames = [
            "".join(f"{bone} {x:.4f} {y:.4f} {z:.4f}\n" for bone, (x, y, z) in zip(bones, row, strict=True))
            for row in turns
        ]
        text = "".join(f"{f + 1}\nroot 0 18 0 0 0 0\n{frame}" for f, frame in enumerate(frames))
        (root / f"{i % 12:02d}_{i:03d}.amc").write_text(":FULLY-SPECIFIED\n:DEGREES\n" + text)


FORMATS: dict[str, tuple[str, str | None, Callable[[Path], object]]] = {
    "SMPL+H": ("amass", "smplh", lambda root: write_amass(root, "poses", 52, "mocap_framerate")),
    "SMPL-X": ("amass", "smplx", lambda root: write_amass(root, "stageii", 55, "mocap_frame_rate")),
    "BVH": ("bandai", None, lambda root: write_bvh_clips(root, load_archive("bandai"), N_FILES, N_FRAMES)),
    "ASF/AMC": ("cmu_asf_amc", None, lambda root: write_asf_amc(root, load_archive("cmu_asf_amc"))),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_archive_of_each_format(name, small_config, tmp_path, local_ray):
    archive, kind, write = FORMATS[name]
    write(tmp_path / "in")
    damaged = sorted(p for p in (tmp_path / "in").rglob("*") if p.suffix in {".npz", ".bvh", ".amc"})[:DAMAGED]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:200])
    given = {"archive": archive, "root": str(tmp_path / "in"), "synthetic": True}
    if kind is not None:
        given["body"] = str(write_model(tmp_path / "body.npz", kind, 400 if kind == "smplx" else 16))
    rules = tmp_path / "rules.yaml"
    rules.write_text('categories: [moving]\nrules: [{name: any, category: moving, match: "."}]\n')
    section = {"inputs": [given], "placements": ["left_wrist", "head"], "label_rules": str(rules), "task_mb": 1}
    config = small_config(tmp_path / "runs", synthesize=section)
    plan = synthesize.plan(config)
    published = synthesize.STAGE.run(config, plan, "-")
    counts = published.manifest["counts"]
    assert (counts["files_in"], counts["clips"], counts["rejections"]) == (N_FILES, N_FILES - DAMAGED, DAMAGED)
    assert set(published.details["left_out"]) <= {"unreadable", "bad_shape", "too_short"}
    assert len(published.details["worker_pids"]) >= 1
    assert plan.counts["tasks"] == len(published.files("clips/")) > 1
