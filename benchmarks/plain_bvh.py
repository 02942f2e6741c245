"""How BVH is read where nobody thought of speed: `float()` on the words of each line, then the joints one by one."""

from pathlib import Path

import numpy as np

from vimu.archives.bvh_tree import CHANNELS, Joint, read_tree


def _parsed(path: Path) -> tuple[tuple[Joint, ...], list[list[float]]]:
    header, _, motion = path.read_bytes().partition(b"MOTION")
    return read_tree(str(path), header), [[float(word) for word in line.split()] for line in motion.splitlines()[3:]]


def _turn(axis: int, degrees: np.ndarray | float) -> np.ndarray:
    """About x, y or z; one matrix, or one a frame."""
    angle = np.radians(degrees)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*np.shape(angle), 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -matrix[..., j, i]
    return matrix


def frame_by_frame(path: Path) -> int:
    """World place and turn of every joint, a frame at a time with NumPy's small products. Gives the frames."""
    joints, rows = _parsed(path)
    for row in rows:
        _world(joints, np.array(row))
    return len(rows)


def all_frames_at_once(path: Path) -> int:
    """The same kinematics, vectorised over frames: only the parser is plain Python."""
    joints, rows = _parsed(path)
    _world(joints, np.array(rows).T)
    return len(rows)


def _world(joints: tuple[Joint, ...], values: np.ndarray) -> None:
    """`values` is a number a channel, or a row of them over the frames."""
    turns: list[np.ndarray] = []
    places: list[np.ndarray] = []
    column = 0
    for joint in joints:
        place = np.broadcast_to(np.array(joint.offset), (*values.shape[1:], 3)).copy()
        turn = np.broadcast_to(np.eye(3), (*values.shape[1:], 3, 3))
        for channel in joint.channels:
            if CHANNELS[channel].endswith("position"):
                place[..., channel] = values[column]
            else:
                turn = turn @ _turn(channel - 3, values[column])
            column += 1
        if joint.parent >= 0:
            above = turns[joint.parent]
            place = places[joint.parent] + (above @ place[..., None])[..., 0]
            turn = above @ turn
        turns.append(turn)
        places.append(place)
