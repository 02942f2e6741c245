"""Everything that a name in `configs/` picks can be a YAML file of one's own: the same content gives the same."""

import shutil

import pytest
from ruamel.yaml import YAML

from toy_package import placements_yaml, write_yaml
from vimu.archives.config import load_archive
from vimu.body.placement import Placement, load_placements
from vimu.clips.labels import load_label_rules
from vimu.clips.plausibility import check_plausible, load_limits
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Reason, Rejection
from vimu.imu.device_models import load_devices
from vimu.imu.presets import load_preset, placement_names
from vimu.recordings.config import load_recordings
from vimu.runtime.errors import UserError


@pytest.mark.parametrize(
    ("load", "folder", "name"),
    [
        (load_archive, "archives", "bandai"),
        (load_recordings, "recordings", "umafall"),
        (load_label_rules, "labels", "daily12"),
        (load_devices, "devices", "umafall"),
    ],
)
def test_a_path_stands_for_a_name(repo, tmp_path, load, folder, name):
    path = tmp_path / "mine.yaml"
    shutil.copy(repo / "configs" / folder / f"{name}.yaml", path)
    assert load(str(path)) == load(name)
    with pytest.raises(UserError, match=r"no\.yaml` does not exist"):
        load(str(tmp_path / "no.yaml"))
    with pytest.raises(UserError, match=rf"must be one of .*{name}.*, or the path of a YAML file, but is `nothing`"):
        load("nothing")


def test_a_preset_by_path(repo, tmp_path):
    presets = YAML(typ="safe").load(repo / "configs" / "presets.yaml")
    path = str(write_yaml(tmp_path / "mine.yaml", presets["transpose"]))
    assert load_preset(path) == load_preset("transpose")
    assert load_preset(path, smoothing_s=0.1) == load_preset("transpose", smoothing_s=0.1)
    assert placement_names(path) == load_preset("transpose").placements
    write_yaml(tmp_path / "mine.yaml", presets["transpose"] | {"trans": "zero"})
    assert load_preset(path).trans == "zero"  # edited, and read again
    write_yaml(tmp_path / "mine.yaml", {"transpose": presets["transpose"]})
    with pytest.raises(UserError, match=r"mine\.yaml has .* errors:\n.*`smoothing_s` must be given"):
        load_preset(path)


# --- placements -------------------------------------------------------------------------------------------------------


def test_own_placements_stand_beside_the_shipped(tmp_path):
    own = placements_yaml(tmp_path / "mine.yaml")
    tip, head, vertex = load_placements(["forearm_tip", "head", "vertex:12@neck"], own)
    assert (tip.segment, tip.smpl, head) == ("left_elbow", None, load_placements(["head"])[0])
    assert vertex.on("smpl").vertex == 12
    assert load_placements([tip, "head"]) == (tip, head)
    with pytest.raises(UserError, match=r"among chest, forearm_tip, head, .*but one is `elbow`"):
        load_placements(["elbow"], own)


def test_a_shipped_placement_is_not_shadowed(tmp_path):
    entry = {"smpl": {"vertex": 1, "segment": "head"}}
    own = write_yaml(tmp_path / "mine.yaml", {"chest": entry, "head": entry, "hat": entry})
    for names in (["hat"], ["head"]):
        with pytest.raises(UserError, match=r"mine\.yaml` must give .* but redefines chest, head of"):
            load_placements(names, own)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"evidence": "nowhere"}, "must have `smpl`, `smplx` or `skeleton`"),
        ({"smpl": {"vertex": 6890, "segment": "head"}}, "less than 6890"),
        ({"skeleton": {"segment": "elbow"}}, "must be one of SMPL's joints"),
        (7, "`smpl`"),
    ],
)
def test_a_malformed_placement_is_named_with_its_file(tmp_path, entry, says):
    own = write_yaml(tmp_path / "mine.yaml", {"hat": entry})
    with pytest.raises(UserError, match=r"placement `hat` of .*mine\.yaml has") as error:
        load_placements(["hat"], own)
    assert says in str(error.value)


def test_a_placement_on_skeletons_alone_serves_no_mesh(tmp_path, demo_body):
    own = load_placements(["forearm_tip"], placements_yaml(tmp_path / "mine.yaml"))
    with pytest.raises(UserError, match="must have an `smpl:` vertex for a body of smpl, but `forearm_tip` has none"):
        Synthesizer(load_archive("amass"), own, demo_body).bodies.load_all()


def test_a_placement_on_skeletons_alone_is_held_to_its_segments_limits(bandai_mini):
    hat = Placement.model_validate({"name": "hat", "skeleton": {"segment": "head", "offset_m": [0, 0.2, 0]}})
    synthesizer = Synthesizer(load_archive("bandai"), [hat], None)
    motion = synthesizer.read(sorted(bandai_mini.rglob("*walk*.bvh"))[0])
    trajectory = synthesizer.trajectory(motion)
    limits = load_limits()
    low = limits.model_copy(update={"acceleration_m_s2": limits.acceleration_m_s2 | {"head": 1e-3}})
    with pytest.raises(Rejection, match="median acceleration at `hat`") as rejection:
        check_plausible(trajectory, [hat], low, "take")
    assert rejection.value.reason == Reason.IMPLAUSIBLE
