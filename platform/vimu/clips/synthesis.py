"""From a mocap file to a virtual recording: the whole of synthesis for one take, without Ray."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vimu.archives.amass import read_amass
from vimu.archives.bvh import read_bvh
from vimu.archives.config import ArchiveConfig, load_archive
from vimu.body.placement import Placement, load_placements
from vimu.body.skeleton import mounts_of, skeleton_trajectory
from vimu.body.smpl import SmplBody, load_smpl_model
from vimu.contracts import Frame, Gravity, ImuRecording, Motion, SmplMotion, Trajectory
from vimu.imu.virtual import virtual_imu
from vimu.runtime.errors import UserError

READERS: dict[str, Callable[[Path, ArchiveConfig, Path | None], Motion]] = {"amass": read_amass, "bvh": read_bvh}


class Synthesizer:
    """An archive's reader, its body and the placements, prepared once for many takes."""

    def __init__(self, archive: ArchiveConfig, placements: Sequence[str], body: Path | str | None) -> None:
        """`body` is an SMPL model file; skeleton archives bring their own bodies and take None.

        Raises:
            UserError: an unknown placement or one that the rig cannot serve; a body that is missing or no SMPL model.
        """
        self.archive = archive
        self.placements: tuple[Placement, ...] = load_placements(placements)
        self.smpl: SmplBody | None = None
        if archive.reader == "amass":
            if body is None:
                raise UserError("`body` must be an SMPL model file for an AMASS archive, but is missing.")
            self.smpl = SmplBody(load_smpl_model(body), self.placements)
        else:
            mounts_of(self.placements, archive.segments, archive.name)

    def read(self, path: Path, root: Path | None = None) -> Motion:
        """The take of one file. Raises Rejection."""
        return READERS[self.archive.reader](path, self.archive, root)

    def trajectory(self, motion: Motion) -> Trajectory:
        """Where each sensor is during the take."""
        if isinstance(motion, SmplMotion):
            assert self.smpl is not None
            return self.smpl.trajectory(motion)
        return skeleton_trajectory(motion, self.placements, self.archive.segments)


def synthesize(
    file: Path | str,
    *,
    placements: Sequence[str],
    body: Path | str | None = None,
    archive: str | None = None,
    rate_hz: float | None = 60.0,
    preset: str = "dip",
    frame: Frame = "world",
    gravity: Gravity = "removed",
) -> ImuRecording:
    """Virtual IMUs on one mocap file: `rec.acc`, `rec.ori`, `rec.gyr`, `rec.rate_hz`.

    Args:
        file: an AMASS npz, or a file of the archive named.
        placements: names of `configs/placements.yaml`, or `vertex:1234@left_elbow`.
        body: SMPL model file (`.npz` or the published `.pkl`), for AMASS files.
        archive: name of `configs/archives/` or a YAML path; `amass` for an npz.
        rate_hz: of the result; None keeps the file's own.
        preset: how acceleration is taken; `dip` is the plain formula with the file's betas and trans.
        frame: axes of `acc`: `world` (+Y up) or `sensor`.
        gravity: `removed`, or `included` as a real accelerometer reads.

    Raises:
        UserError: a setting is wrong, or the file does not exist.
        Rejection: the file is no usable take; its `reason` says why.
    """
    path = Path(file)
    if not path.is_file():
        raise UserError(f"`file` must be a mocap file, but `{path}` does not exist.")
    if archive is None and path.suffix != ".npz":
        raise UserError(f"`archive` must be given for a `{path.suffix}` file, e.g. archive='bandai', but is missing.")
    synthesizer = Synthesizer(load_archive(archive or "amass"), placements, body)
    trajectory = synthesizer.trajectory(synthesizer.read(path))
    return virtual_imu(trajectory, rate_hz=rate_hz, preset=preset, frame=frame, gravity=gravity)
