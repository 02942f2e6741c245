"""A clip's take, read again from its mocap file: the body that moves, and the sensors on it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.archives.config import ArchiveConfig
from vimu.body.models import load_faces, load_smpl_model
from vimu.body.placement import Placement
from vimu.body.skeleton import joint_positions
from vimu.body.surface import SmplSurface
from vimu.clips.synthesis import Synthesizer, as_preset_has_it
from vimu.contracts import Motion, Rejection, SmplMotion, Trajectory
from vimu.imu.placement_error import displaced, drawn_offsets
from vimu.imu.presets import Preset
from vimu.resampling import resampled_length
from vimu.review.catalogue import Catalogue, Row
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError

SHOWN_HZ = 30.0
"""At least so many frames a second are sent; the page draws between them."""


class NotThereError(Exception):
    """The take cannot be shown, and why. Its curves can."""


@dataclass(frozen=True)
class Shown:
    """A take to draw."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray[Any, Any]]


class Takes:
    """Reads takes as synthesis did, by the settings in the run's manifest."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        identity = catalogue.identity
        self._settings = identity["settings"]
        self._archives = {a["name"]: validate(ArchiveConfig, a, where="the manifest") for a in identity["archives"]}
        self.placements = tuple(Placement.model_validate(p) for p in identity["placements"])
        given = {name: value for name, value in identity["preset"].items() if value is not None}
        self._preset = validate(Preset, given | {"evidence": dict.fromkeys(given, "")}, where="the manifest")
        self._synthesizer = lru_cache(maxsize=8)(self._make_synthesizer)

    def shown(self, clip: int) -> Shown:
        """The clip's take. Raises NotThereError."""
        row = self._catalogue.rows[clip]
        path, root, notes = self._file(row)
        body = self._body(row["archive"], root)
        try:
            synthesizer = self._synthesizer(row["archive"], body)
            motion = replace(synthesizer.read(path, root), rate_hz=row["source_rate_hz"])
            trajectory = self._sensors(synthesizer, motion)
            step = max(1, int(motion.rate_hz // SHOWN_HZ))
            rig, arrays = self._rig(row, motion, body, step)
        except (Rejection, UserError, OSError) as error:
            raise NotThereError(f"The take cannot be read again: {error}") from error
        n_frames = len(arrays["joints"])
        header = {
            "rate_hz": motion.rate_hz / step, "n_frames": n_frames, "sensors": trajectory.sensors, "notes": notes,
            "offset_s": self._offset_s(row, len(trajectory.position), motion.rate_hz),
        } | rig  # fmt: skip
        return Shown(
            header,
            arrays | {"sensor_place": trajectory.position[::step], "sensor_turn": trajectory.orientation[::step]},
        )

    def _file(self, row: Row) -> tuple[Path, Path, list[str]]:
        """The take's file, its archive's root, and what is to be said of it."""
        source = self._catalogue.sources.get(row["clip_id"])
        if source is None:
            raise NotThereError("The run does not say which file the clip is from.")
        root = Path(source["root"])
        path = root / source["path"]
        if not path.resolve().is_relative_to(root.resolve()):  # a run's tables may come from somebody else
            raise NotThereError(f"`{source['path']}` does not lie below its archive's root.")
        try:
            stat = path.stat()
        except OSError:
            raise NotThereError(f"The mocap file is gone: {path}") from None
        same = (stat.st_size, stat.st_mtime_ns) == (source["bytes"], source["mtime_ns"])
        return path, root, [] if same else ["The mocap file has changed since the clip was made."]

    def _body(self, archive: str, root: Path) -> str | None:
        """The body that served files of that root. Paths of a configuration are relative to where jobs are run."""
        pairs = zip(self._settings["inputs"], self._catalogue.identity["archives"], strict=True)
        of_archive = [given for given, config in pairs if config["name"] == archive]
        of_root = [given for given in of_archive if Path(given["root"]).resolve() == root]
        return str(body) if (body := (of_root or of_archive)[0]["body"]) is not None else None

    def _make_synthesizer(self, archive: str, body: str | None) -> Synthesizer:
        return Synthesizer(self._archives[archive], self.placements, body, self._preset)

    def _sensors(self, synthesizer: Synthesizer, motion: Motion) -> Trajectory:
        trajectory = synthesizer.trajectory(motion)
        error_m = self._settings["placement_error_m"]
        if error_m == 0:
            return trajectory
        return displaced(
            trajectory, drawn_offsets(motion, trajectory.sensors, error_m, seed=self._settings["seed"])
        )  # fmt: skip

    def _rig(
        self, row: Row, motion: Motion, body: str | None, step: int
    ) -> tuple[dict[str, Any], dict[str, Float[np.ndarray, "..."]]]:
        """The skeleton, and where there is a model the skin that it carries."""
        if not isinstance(motion, SmplMotion):
            thin = replace(motion, translations=motion.translations[::step], rotations=motion.rotations[::step])
            return {"names": motion.joints, "parents": motion.parents}, {"joints": joint_positions(thin)}
        assert body is not None
        surface, faces = _surface(Path(body) / row["body"] if Path(body).is_dir() else Path(body))
        posed = surface.posed(as_preset_has_it(motion, self._preset), step)
        arrays = {"joints": posed.place}
        if faces is not None:
            arrays |= {
                "turn": posed.turn, "rest": posed.rest, "vertices": posed.vertices, "faces": faces,
                "bones": surface.bones, "weights": surface.weights,
            }  # fmt: skip
        return {"names": surface.joints, "parents": surface.parents}, arrays

    def _offset_s(self, row: Row, n_frames: int, rate_hz: float) -> float:
        """When in the take the clip begins: differences have no edges, and lose as much at either end."""
        lost = resampled_length(n_frames, rate_hz, row["rate_hz"]) - row["n_frames"]
        return float(max(lost, 0) / 2 / row["rate_hz"])


@lru_cache(maxsize=4)
def _surface(file: Path) -> tuple[SmplSurface, np.ndarray[Any, Any] | None]:
    model = load_smpl_model(file)
    return SmplSurface(model), load_faces(file, len(model.v_template))
