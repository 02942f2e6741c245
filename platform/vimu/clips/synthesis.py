"""From a mocap file to a virtual recording: the whole of synthesis for one take, without Ray."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from vimu.archives.config import ArchiveConfig, load_archive
from vimu.archives.conformance import check_motion
from vimu.archives.readers import READERS
from vimu.body.placement import Placement, load_placements
from vimu.body.skeleton import mounts_of, skeleton_trajectory
from vimu.body.subjects import Bodies
from vimu.clips.plausibility import check_plausible, load_limits
from vimu.contracts import Frame, Gravity, ImuRecording, Motion, Rejection, SmplMotion, Trajectory
from vimu.imu.placement_error import displaced, drawn_offsets, offset_notes
from vimu.imu.presets import Order, Preset, load_preset, placement_names
from vimu.imu.virtual import virtual_imu
from vimu.runtime.config import RateHz, Section, Seed, validate
from vimu.runtime.errors import UserError


class Synthesizer:
    """An archive's reader, its body, the placements and the preset, prepared once for many takes."""

    def __init__(
        self,
        archive: ArchiveConfig,
        placements: Sequence[str | Placement],
        body: Path | str | None,
        preset: Preset | str = "dip",
    ) -> None:
        """`body` is an SMPL, SMPL+H or SMPL-X model file, or a folder with one a gender; skeletons take None.

        Raises:
            UserError: an unknown placement or one that the rig cannot serve; a body that is missing or no SMPL model;
                a reader that cannot be imported; an unknown preset, or one that ignores betas or trans for an archive
                that has neither.
        """
        self.preset = preset if isinstance(preset, Preset) else load_preset(preset)
        self.archive = archive
        self.placements: tuple[Placement, ...] = load_placements(placements)
        self.bodies: Bodies | None = None
        self._limits = load_limits()
        self._read = READERS[archive.reader]
        if archive.of_smpl:
            if body is None:
                raise UserError(
                    f"`body` must be an SMPL model file for an archive of SMPL parameters, as `{archive.name}` is, "
                    "but is missing."
                )
            self.bodies = Bodies(body, self.placements)
        else:
            if "zero" in (self.preset.betas, self.preset.trans):
                raise UserError(
                    "`preset` must leave `betas` and `trans` as the file has them for an archive of skeletons, which "
                    f"has no such parameters, but ignores them; archive `{archive.name}` can take e.g. preset `dip`."
                )
            mounts_of(self.placements, archive.segments, archive.name)

    def read(self, path: Path, root: Path | None = None) -> Motion:
        """The take of one file. Raises Rejection."""
        try:
            motion = self._read(path, self.archive, root)
        except Rejection:
            raise
        except Exception as error:
            error.add_note(f"while reader `{self.archive.reader}` read {path}")
            raise
        return motion if READERS.is_own(self.archive.reader) else check_motion(motion, self.archive, str(path))

    def trajectory(self, motion: Motion) -> Trajectory:
        """Where each sensor is during the take, on the body and along the path that the preset leaves it.

        Raises:
            Rejection: `implausible`, `no_body`.
        """
        if isinstance(motion, SmplMotion):
            assert self.bodies is not None
            trajectory = self.bodies.of(motion)[0].trajectory(as_preset_has_it(motion, self.preset))
        else:
            trajectory = skeleton_trajectory(motion, self.placements, self.archive.segments)
        check_plausible(trajectory, self.placements, self._limits, motion.take.sequence)
        return trajectory

    def body_name(self, motion: Motion) -> str | None:
        """The model file that serves the take's subject; None for a skeleton."""
        if not isinstance(motion, SmplMotion):
            return None
        assert self.bodies is not None
        return self.bodies.of(motion)[1]

    def recording(
        self,
        motion: Motion,
        *,
        rate_hz: float | Literal["preset"] | None = 60.0,
        frame: Frame = "world",
        gravity: Gravity = "removed",
        placement_error_m: float = 0.0,
        seed: int = 0,
    ) -> ImuRecording:
        """What the sensors measure during the take: `virtual_imu` on `trajectory`, both by the one preset.

        Args:
            placement_error_m: each sensor sits beside its place, by up to so much along each axis of its segment;
                `notes` says by how much.
            seed: of that draw.
        """
        trajectory = self.trajectory(motion)
        notes: tuple[str, ...] = ()
        if placement_error_m != 0:
            offset = drawn_offsets(motion, trajectory.sensors, placement_error_m, seed=seed)
            trajectory = displaced(trajectory, offset)
            notes = offset_notes(trajectory.sensors, offset)
        recording = virtual_imu(trajectory, rate_hz=rate_hz, preset=self.preset, frame=frame, gravity=gravity)
        return replace(recording, notes=notes)


def as_preset_has_it(motion: SmplMotion, preset: Preset) -> SmplMotion:
    """The take with those of its betas and trans that the preset ignores at zero."""
    betas = np.zeros_like(motion.betas) if preset.betas == "zero" else motion.betas
    trans = np.zeros_like(motion.trans) if preset.trans == "zero" else motion.trans
    return replace(motion, betas=betas, trans=trans)


class _Given(Section):
    """What of a call is held to the limits that settings have."""

    seed: Seed
    rate_hz: RateHz = 60.0


def synthesize(
    file: Path | str,
    *,
    placements: Sequence[str] | str,
    body: Path | str | None = None,
    archive: str | None = None,
    rate_hz: float | Literal["preset"] | None = 60.0,
    preset: str = "dip",
    smoothing_s: float | None = None,
    order: Order | None = None,
    frame: Frame = "world",
    gravity: Gravity = "removed",
    placements_file: Path | str | None = None,
    placement_error_m: float = 0.0,
    seed: int = 0,
) -> ImuRecording:
    """Virtual IMUs on one mocap file: `rec.acc`, `rec.ori`, `rec.gyr`, `rec.rate_hz`.

    Args:
        file: an AMASS npz, or a file of the archive named.
        placements: names of `configs/placements.yaml` or `placements_file`, or `vertex:1234@left_elbow`; a preset's
            name as a plain string stands for that preset's sensors.
        body: SMPL, SMPL+H or SMPL-X model file (`.npz` or the published `.pkl`) or a folder with one a gender, for
            AMASS files.
        archive: name of `configs/archives/` or a YAML path; `amass` for an npz.
        rate_hz: of the result; `preset` is the preset's own, None keeps the file's.
        preset: how acceleration is taken, a name of `configs/presets.yaml` or a YAML path; `dip` is the plain formula
            with the file's betas and trans.
        smoothing_s: half-width of the second difference in place of the preset's; 0 is one frame.
        order: `decimate_first` or `difference_first` in place of the preset's.
        frame: axes of `acc`: `world` (+Y up), `sensor`, or `root`, those of the pelvis sensor.
        gravity: `removed`, or `included` as a real accelerometer reads.
        placements_file: YAML of placements beside the shipped ones.
        placement_error_m: each sensor sits beside its place, by up to so much along each axis of its segment, m;
            `rec.notes` says by how much.
        seed: of that draw.

    Raises:
        UserError: a setting is wrong, or the file does not exist.
        Rejection: the file is no usable take; its `reason` says why.
        ChannelMissingError: frame `root` without a sensor on the pelvis.
    """
    for name, value, known in (("frame", frame, get_args(Frame)), ("gravity", gravity, get_args(Gravity))):
        if value not in known:
            raise UserError(f"`{name}` must be one of {', '.join(known)}, but is `{value}`.")
    rate = {} if rate_hz is None or rate_hz == "preset" else {"rate_hz": rate_hz}
    validate(_Given, {"seed": seed} | rate, where="`synthesize`")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"`file` must be a mocap file, but `{path}` does not exist.")
    if archive is None and path.suffix != ".npz":
        raise UserError(f"`archive` must be given for a `{path.suffix}` file, e.g. archive='bandai', but is missing.")
    chosen = load_preset(preset, smoothing_s=smoothing_s, order=order)
    sensors = load_placements(placement_names(placements), None if placements_file is None else Path(placements_file))
    synthesizer = Synthesizer(load_archive(archive or "amass"), sensors, body, chosen)
    return synthesizer.recording(
        synthesizer.read(path), rate_hz=rate_hz, frame=frame, gravity=gravity,
        placement_error_m=placement_error_m, seed=seed,
    )  # fmt: skip
