"""Writes BVH files for tests, joint by joint, as capture software does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class RigJoint:
    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ("Zrotation", "Xrotation", "Yrotation")


def bvh_text(rig: list[RigJoint], rows: np.ndarray, frame_time: str = "0.0333333", n_frames: int | None = None) -> str:
    """A BVH file of `rig` whose motion is `rows`, a column a channel in the order of the tree walk."""
    lines = ["HIERARCHY"]

    def write(index: int, depth: int) -> None:
        joint, pad = rig[index], "\t" * depth
        children = [j for j, other in enumerate(rig) if other.parent == index]
        lines.extend([f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {joint.name}", pad + "{"])
        lines.append(f"{pad}\tOFFSET " + " ".join(repr(float(x)) for x in joint.offset))
        lines.append(f"{pad}\tCHANNELS {len(joint.channels)} {' '.join(joint.channels)}")
        for child in children:
            write(child, depth + 1)
        if not children:
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET 0 1 0", pad + "\t}"])
        lines.append(pad + "}")

    write(0, 0)
    lines.extend(["MOTION", f"Frames: {len(rows) if n_frames is None else n_frames}", f"Frame Time: {frame_time}"])
    lines.extend(" ".join(repr(float(x)) for x in row) + " " for row in rows)
    return "\n".join(lines) + "\n"


def write_bvh(path: Path, rig: list[RigJoint], rows: np.ndarray, frame_time: str = "0.0333333") -> Path:
    path.write_text(bvh_text(rig, rows, frame_time), encoding="utf-8")
    return path
