"""What a reader of mocap files is, and which there are."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vimu.contracts import Motion
from vimu.runtime.registry import Registry

if TYPE_CHECKING:
    from vimu.archives.config import ArchiveConfig


class ArchiveReader(Protocol):
    """The contract of an archive reader: one untrusted file in, a motion out, or a `Rejection`.

    `vimu.archives.conformance.check_reader` holds a reader to it.
    """

    def __call__(self, path: Path, config: "ArchiveConfig", root: Path | None = None, /) -> Motion:
        """Read one take. Called in Ray workers, many at a time: it must depend on its arguments only.

        Args:
            path: the file. Its bytes are not to be trusted: limit what they may allocate, and never let them execute
                (`vimu.runtime.safe_load` for npz and pickles).
            config: the archive's YAML.
            root: the archive's folder, for `take_of`; None for a file that is read alone.

        Returns:
            For an archive with `segments`, a `SkeletonMotion`: joints of the rig with parents before children, in m
            and in the canonical world (right-handed, +Y up), every joint that `segments` names among them. Only the
            root is turned into that world; other joints keep the rig's axes. For an archive without, a `SmplMotion`,
            whose `to_canonical` turns its world into +Y up. Arrays are float64 and finite, of three frames at least;
            `rate_hz` is the take's own, 1 to 1000: no resampling, no smoothing. `take` is what
            `vimu.archives.take.take_of(path, root, config)` says.

        Raises:
            Rejection: the file holds no such take: damaged, too large, another rig. Nothing else may be raised,
                whatever the file holds: any other exception ends the run.
        """
        ...


READERS: Registry[ArchiveReader] = Registry(
    "vimu.archive_readers",
    {
        "amass": "vimu.archives.amass:read_amass",
        "bvh": "vimu.archives.bvh:read_bvh",
        "asf_amc": "vimu.archives.asf_amc:read_amc",
    },
)
