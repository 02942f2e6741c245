"""AMASS npz (SMPL+H `*_poses.npz`, SMPL-X `*_stageii.npz`) -> `SmplMotion`."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vimu.archives.config import ArchiveConfig
from vimu.archives.rates import corrected_rate
from vimu.archives.take import take_name_of, take_of
from vimu.contracts import POSE_JOINTS, Gender, Reason, Rejection, SmplMotion
from vimu.runtime.safe_load import load_npz

Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""AMASS's world is +Z up, SMPL's and DIP's +Y up."""

RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")
"""The SMPL+H release's spelling and the SMPL-X release's."""

MIN_RATE_HZ, MAX_RATE_HZ = 1.0, 1000.0


def read_amass(path: Path, config: ArchiveConfig, root: Path | None = None) -> SmplMotion:
    """Read one take.

    Args:
        root: the archive's folder; subject, sequence and description come from the path below it, and so does which
            of `config.rate_corrections` applies. None: the file stands alone, and its rate is taken as it is.

    Raises:
        Rejection: `unreadable`, `oversized`, `unsafe_pickle`, `bad_shape`, `non_finite`, `unknown_rate`, `too_short`.

    Source: design of https://amass.is.tue.mpg.de files, read from three published samples.
    """
    try:
        data = load_npz(path, ("poses", "trans", "betas", "gender", *RATE_KEYS))
    except FileNotFoundError as error:  # gone since it was listed
        raise Rejection(str(path), Reason.UNREADABLE, "is not there") from error
    missing = [key for key in ("poses", "trans", "betas") if key not in data]
    if missing:
        raise Rejection(str(path), Reason.UNREADABLE, f"has no `{'`, `'.join(missing)}`")
    poses, trans, betas = data["poses"], data["trans"], data["betas"]
    if poses.ndim != 2 or poses.shape[1] % 3 or poses.shape[1] // 3 not in POSE_JOINTS:
        raise Rejection(str(path), Reason.BAD_SHAPE, f"`poses` must be (T, 72|156|165), but is {poses.shape}")
    if trans.shape != (len(poses), 3) or betas.ndim != 1:
        detail = f"`trans` {trans.shape}, `betas` {betas.shape} do not go with `poses` {poses.shape}"
        raise Rejection(str(path), Reason.BAD_SHAPE, detail)
    for name, array in (("poses", poses), ("trans", trans), ("betas", betas)):
        if array.dtype.kind != "f" or array.itemsize > 8:  # longer ones hold what float64 does not
            raise Rejection(str(path), Reason.BAD_SHAPE, f"`{name}` must be floating, but is {array.dtype}")
        if not _all_finite(array):
            raise Rejection(str(path), Reason.NON_FINITE, f"`{name}` holds NaN or infinity")
    if len(poses) < 3:
        raise Rejection(str(path), Reason.TOO_SHORT, f"{len(poses)} frames; acceleration needs three")
    file_rate_hz = _rate_hz(path, data)
    rate_hz, note = corrected_rate(file_rate_hz, take_name_of(path, root, config), config.rate_corrections)
    return SmplMotion(
        poses=np.asarray(poses.reshape(len(poses), -1, 3), np.float64),
        trans=np.asarray(trans, np.float64),
        betas=np.asarray(betas, np.float64),
        gender=_gender(data.get("gender")),
        rate_hz=rate_hz,
        take=take_of(path, root, config),
        to_canonical=Z_UP_TO_Y_UP,
        file_rate_hz=file_rate_hz,
        notes=() if note is None else (note,),
    )


def _all_finite(array: Float[np.ndarray, "..."]) -> bool:
    """One quick pass where all is well: a finite sum of squares has finite terms only. It may overflow without."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(array, array))) or bool(np.isfinite(array).all())


def _rate_hz(path: Path, data: dict[str, np.ndarray]) -> float:
    for key in RATE_KEYS:
        if key in data and data[key].size == 1 and data[key].dtype.kind in "fiu":
            rate = float(data[key].reshape(()))
            if math.isfinite(rate) and MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
                return rate
            raise Rejection(str(path), Reason.UNKNOWN_RATE, f"`{key}` must be 1 to 1000 Hz, but is {rate}")
    raise Rejection(str(path), Reason.UNKNOWN_RATE, f"has none of {', '.join(RATE_KEYS)}")


def _gender(value: np.ndarray | None) -> Gender:
    """`male` or `female` where the file says so (as text or bytes), else `neutral`."""
    if value is None or value.size != 1 or value.dtype.kind not in "SU":
        return "neutral"
    encoding = "latin1" if value.dtype.kind == "S" else "utf-32-be" if value.dtype.byteorder == ">" else "utf-32-le"
    text = value.tobytes().decode(encoding, errors="replace").rstrip("\0").lower()  # `item()` takes any number for one
    return "male" if text == "male" else "female" if text == "female" else "neutral"
