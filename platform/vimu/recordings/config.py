"""What a recording set's YAML says: which files, which sensors sat where, what the subjects did, what may be mended."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    field_validator,
    model_validator,
)

from vimu.contracts import SMPL_JOINTS
from vimu.recordings.readers import READERS
from vimu.recordings.stretches import LISTERS
from vimu.runtime.config import RegularExpression, Section, find_yaml, regular_expression, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml

Column = Annotated[int, Field(ge=0, strict=True)] | str | Annotated[tuple[str, ...], Field(min_length=1)]
"""Of a table: counted from 0, or by the name that the header gives it; several names are added up."""


Axes = tuple[Column, Column, Column]
"""x, y, z."""


class Columns(Section):
    """Where a table has a sensor's axes."""

    acc: Axes
    """Gravity included."""
    gyr: Axes | None = None


class TableSettings(Section):
    """How a text file of lines is a table."""

    separator: Literal[",", ";", "tab", "space"]
    """`space`: any number of them."""
    header_lines: NonNegativeInt = 0
    """Of which the last names the columns."""
    label: Annotated[int, Field(ge=0)] | str | None = None
    """Column that labels stretches of the file; each stretch is a trial. None: a file is one trial."""


class Sensor(Section):
    """One worn device."""

    placement: str
    """Name in `configs/placements.yaml` or of your own: `prepare` matches it with the virtual sensors' names."""
    rate_hz: PositiveFloat
    """Samples a second by the device's own clock."""
    rate_tolerance: NonNegativeFloat = 0.0
    """Share by which its clock may be off `rate_hz`; within it the pace is taken from the file. At 0 a slower pace
    means lost samples."""
    gyroscope: bool = True
    """False for a device without one; its `gyr` column is NaN."""
    acc_lsb_per_g: PositiveFloat | None = None
    """Resolution of its accelerometer; a leading stretch that is finer was scaled for a range four times too small."""
    columns: Columns | None = None
    """Of a `table`."""
    joint: str | None = None
    """SMPL joint whose segment it turns with, for sets that have reference poses to check the sensors' order by."""
    evidence: str = ""
    """Where these facts come from."""

    @field_validator("joint")
    @classmethod
    def _is_one_of_smpl(cls, joint: str | None) -> str | None:
        if joint is not None and joint not in SMPL_JOINTS:
            raise ValueError(f"must be one of SMPL's joints ({listed(SMPL_JOINTS, 24)})")
        return joint


class Activity(Section):
    """One activity by the name that files give it."""

    name: str
    """The class that trials of it get."""
    evidence: str = ""
    """How the name in the files is known to mean this."""


class RecordingConfig(Section):
    """One set of real IMU recordings. Another set of a known format takes this file and no code."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Short name; goes into every window and into file names."""
    reader: Annotated[str, AfterValidator(READERS.check)]
    """`umafall`, `dip`, `hapt`, `table`, `uci_har`, `hhar`, or what an installed package registers
    (`vimu.recordings.readers`)."""
    licence: str
    """What its licence allows; copied into every manifest."""
    files: str
    """Glob below the set's root."""
    trial: RegularExpression
    """Regular expression on the path below the root, with groups `subject` and `activity`; where `segments` is given,
    `subject` and `experiment`; neither is needed where the file itself tells it. A group `session` may tell when
    sensors were put on anew."""
    table: TableSettings | None = None
    """For reader `table`."""
    segments: str | None = None
    """Name of the table, beside the files, that labels stretches of them; each stretch is a trial. None: a file is one
    trial."""
    evidence: str
    """Where these facts come from."""
    sensors: dict[int, Sensor]
    """The file's sensor id or index -> the device."""
    activities: dict[str, Activity]
    """The file's activity -> the class."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """The file's activity -> why trials of it are not used."""
    upright: dict[str, Literal["all"] | tuple[str, ...]] = Field(default_factory=dict)
    """The file's activities in which wearers walk or stand -> the placements that are then as in walking: mountings are
    estimated from them."""

    acc_unit_m_s2: float = 1.0
    """m/s^2 that the file's unit of acceleration stands for; negative where a sensor at rest shows the direction of
    gravity, as iOS has it, and not that of what holds it against gravity."""
    gyr_unit_rad_s: PositiveFloat = 1.0
    """rad/s that the file's unit of angular velocity stands for."""
    max_gap_s: PositiveFloat
    """Two samples of one sensor further apart than this are not bridged."""
    edge_s: NonNegativeFloat = 1.0
    """A longer gap this close to a trial's start or end shortens the trial; elsewhere it rejects the trial."""
    min_duration_s: PositiveFloat = 1.0
    """A trial with less left is rejected."""
    max_lost_share: float = Field(default=0.2, ge=0, lt=1)
    """Share of a sensor's rows that may be unreadable."""

    @model_validator(mode="after")
    def _unambiguous(self) -> "RecordingConfig":
        if self.acc_unit_m_s2 == 0:
            raise ValueError("`acc_unit_m_s2` must not be 0")
        if self.reader == "hapt" and self.segments is None:
            raise ValueError("`segments` must be given for reader `hapt`, which reads stretches")
        if self.reader in ("dip", "umafall", *LISTERS.names()) and self.segments is not None:
            raise ValueError(f"`segments` must not be given for reader `{self.reader}`")
        if (self.reader == "table") != (self.table is not None):
            raise ValueError("`table` must be given for reader `table`, and for no other")
        if self.reader == "table" and (bare := [s.placement for s in self.sensors.values() if s.columns is None]):
            raise ValueError(f"`sensors` of a table must each have `columns`, unlike {listed(bare)}")
        wanted = {"subject", "activity" if self.segments is None else "experiment"}
        if self.in_file:
            wanted = {"subject"} if self.reader == "table" else set()
        if not wanted <= set(regular_expression(self.trial).groupindex):
            raise ValueError(
                f"`trial` must have groups {' and '.join(f'`{name}`' for name in sorted(wanted, reverse=True))}"
            )
        if self.reader in ("hapt", "uci_har", "hhar") and len(self.sensors) != 1:
            raise ValueError(f"`sensors` of a {self.reader} set must be one: its files hold one device")
        placements = [sensor.placement for sensor in self.sensors.values()]
        twice = {name for name in placements if placements.count(name) > 1}
        if twice:
            raise ValueError(f"`sensors` must each have a placement of their own, but {listed(twice)} occurs twice")
        if self.reader == "dip" and len({sensor.rate_hz for sensor in self.sensors.values()}) > 1:
            raise ValueError("`sensors` of a dip set must share one `rate_hz`")
        unknown = self.upright.keys() - self.activities.keys()
        if unknown:
            raise ValueError(f"`upright` must name `activities`, unlike {listed(unknown)}")
        told = {self.activities[code].name for code in self.upright}
        also = {a.name for code, a in self.activities.items() if code not in self.upright and a.name in told}
        if also or len(told) < len(self.upright):
            raise ValueError(
                f"`upright` must name activities whose class is theirs alone, unlike {listed(also or told)}: trials "
                "are told apart by class"
            )
        unworn = {s for served in self.upright.values() if served != "all" for s in served} - set(placements)
        if unworn:
            raise ValueError(
                f"`upright` must name placements of `sensors` ({listed(placements)}), unlike {listed(unworn)}"
            )
        both = self.activities.keys() & self.left_out.keys()
        if both:
            raise ValueError(f"`activities` and `left_out` must not share {listed(both)}")
        return self

    @property
    def in_file(self) -> bool:
        """Whether a file itself tells which trials it holds."""
        return self.reader in LISTERS.names() and (self.table is None or self.table.label is not None)

    @property
    def placements(self) -> tuple[str, ...]:
        """Where this set has sensors."""
        return tuple(sensor.placement for sensor in self.sensors.values())

    def sensor_ids(self, placements: Sequence[str]) -> tuple[int, ...]:
        """The file's ids of the sensors at `placements`, in that order.

        Raises:
            UserError: none or a repeated one is asked for, or one that this set does not have.
        """
        known = {sensor.placement: number for number, sensor in self.sensors.items()}
        unknown = [name for name in placements if name not in known]
        if not placements or unknown or len(set(placements)) != len(placements):
            raise UserError(
                f"`sensors` must be different ones of those that `{self.name}` has ({listed(known, 40)}), "
                f"but are {', '.join(placements) or 'none'}."
            )
        return tuple(known[name] for name in placements)


def load_recordings(name: str) -> RecordingConfig:
    """The set `name` of `configs/recordings/`, or the YAML file of that path. Raises UserError."""
    path = find_yaml("recordings", name)
    return validate(RecordingConfig, read_yaml(path), where=str(path))
