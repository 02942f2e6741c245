"""Readers of other people's packages: found by name, held to the contract, never imported because a YAML says so."""

from pathlib import Path

import numpy as np
import pytest

import vimu
from toy_package import (
    MODULE,
    OMEGA,
    RADIUS_M,
    archive_yaml,
    install,
    placements_yaml,
    recordings_yaml,
    write_take,
    write_trial,
)  # fmt: skip
from vimu.archives.config import load_archive
from vimu.archives.conformance import check_reader
from vimu.archives.readers import READERS
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import STANDARD_GRAVITY, Reason, Rejection
from vimu.recordings.config import load_recordings
from vimu.recordings.conformance import check_reader as check_recording_reader
from vimu.recordings.readers import READERS as RECORDING_READERS
from vimu.recordings.trials import list_trials, read_trial
from vimu.runtime.errors import UserError
from vimu.runtime.registry import Registry


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy package, installed; its archive's YAML."""
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    return archive_yaml(tmp_path / "turntable.yaml")


def test_a_take_of_an_own_format_at_an_own_placement(toy, tmp_path):
    """Turning at a steady pace: the forearm's tip feels omega^2 r towards the axis, and its gyroscope omega."""
    placements = placements_yaml(tmp_path / "mine.yaml")
    file = write_take(tmp_path / "data" / "turn" / "one.csv")
    rec = vimu.synthesize(
        file, archive=str(toy), placements=["forearm_tip", "pelvis"], placements_file=placements, rate_hz=None,
        frame="sensor",
    )  # fmt: skip
    assert (rec.sensors, rec.rate_hz, rec.n_frames) == (("forearm_tip", "pelvis"), 100.0, 198)
    np.testing.assert_allclose(rec.acc[:, 0], np.tile([-(OMEGA**2) * RADIUS_M, 0, 0], (198, 1)), atol=2e-3)
    np.testing.assert_allclose(rec.gyr[:, 0], np.tile([0, OMEGA, 0], (198, 1)), atol=1e-4)


def test_installed_readers_are_listed_with_their_package(toy):
    assert {"toy", "amass", "bvh", "asf_amc"} <= set(READERS.names())
    assert (READERS.source("toy"), READERS.source("bvh")) == ("toymocap 0.1", "vimu")
    assert RECORDING_READERS.source("toy") == "toymocap 0.1"


@pytest.mark.parametrize("name", ["toy", "os:system", "toymocap:read", "vimu.archives.bvh:read_bvh", ""])
def test_a_reader_that_nobody_registered_is_refused_and_nothing_imported(tmp_path, name):
    says = r"`reader`: must be one of amass, asf_amc, bvh, .*`vimu\.archive_readers` \(see docs/archives\.md\), but is"
    with pytest.raises(UserError, match=says):
        load_archive(str(archive_yaml(tmp_path / "a.yaml", reader=name)))
    with pytest.raises(UserError, match=r"one of dip, .*umafall.*`vimu\.recording_readers`"):
        load_recordings(str(recordings_yaml(tmp_path / "r.yaml", reader=name)))


@pytest.mark.parametrize(
    ("entry_points", "says"),
    [
        ("[group]\nown = other:read", "must be registered once, but is by other, vimu: uninstall one"),
        ("[group]\nmine = nowhere:read", "must be importable as `nowhere:read`, but is not: No module"),
        ("[group]\nmine = other:raed", "must be importable as `other:raed`"),
        ("[group]\nmine = other:JOINTS", "must be a function, but `other:JOINTS` is tuple"),
    ],
)
def test_what_cannot_be_loaded_says_why(tmp_path, monkeypatch, entry_points, says):
    monkeypatch.syspath_prepend(install(tmp_path, "other", entry_points=entry_points))
    registry = Registry("group", {"own": "vimu.archives.bvh:read_bvh"})
    with pytest.raises(UserError, match=says):
        registry["mine" if "mine" in entry_points else "own"]


# --- the contract -----------------------------------------------------------------------------------------------------


def test_the_toy_reader_keeps_the_contract(toy, tmp_path):
    file = write_take(tmp_path / "turn" / "one.csv", n_frames=20)
    motion = check_reader(READERS["toy"], file, load_archive(str(toy)), tmp_path)
    assert motion.take.sequence == "turn/one"
    trial = write_trial(tmp_path / "s1" / "turn.csv")
    config = load_recordings(str(recordings_yaml(tmp_path / "toyset.yaml")))
    recording = check_recording_reader(RECORDING_READERS["toy"], trial, config)
    np.testing.assert_allclose(recording.acc[:, 1], np.tile([0, STANDARD_GRAVITY, 0], (recording.n_frames, 1)))


MISTAKES = {  # a line of the toy reader, a mistake in its place, and what the helper says of it
    "float32": ("translations, rot", "translations.astype('f4'), rot", "`translations` as float64, but gives float32"),
    "mirrored": (
        "    translations[:, 0]",
        "    rotations *= -1\n    translations[:, 0]",
        "off a rotation by 2",
    ),
    "crash": ("(OSError, ValueError)", "OSError", r"a file that is .* must be a Rejection, but raises ValueError"),
    "no file": (
        "(OSError, ValueError)",
        "ValueError",
        "a file that is missing must be a Rejection, but raises",
    ),
    "shape": ("len(values), axis=0)", "len(values), axis=0)[:, :3]", "`translations` is of shape"),
    "renamed": ('"hand")', '"fist")', "lacks the joint hand"),
    "order": ("(-1, 0, 1, 2)", "(-1, 0, 1, 3)", "earlier joint"),
    "take": ("take_of(path, root, config)", "take_of(path, None, config)", "`take` must be what `take_of` gives"),
    "rate": ("config.rate_hz,", "0.02,", r"0\.02 Hz"),
    "whim": ("values[:, :3] *", "np.random.rand() *", "same each time"),
    "none": ("    return SkeletonMotion(", "    return (", "must give a SkeletonMotion .* but gives tuple"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_helper_finds_what_a_reader_does_wrong(toy, tmp_path, mistake):
    right, wrong, says = MISTAKES[mistake]
    assert MODULE.count(right) == 1
    code: dict[str, object] = {}
    exec(MODULE.replace(right, wrong), code)  # noqa: S102
    file = write_take(tmp_path / "turn" / "one.csv", n_frames=20)
    with pytest.raises((AssertionError, TypeError, Rejection), match=says):
        check_reader(code["read"], file, load_archive(str(toy)), tmp_path)


def test_vimus_own_readers_keep_the_contract(vimu_data, bandai_mini, amass_samples):
    bvh = min(bandai_mini.rglob("*.bvh"), key=lambda p: p.stat().st_size)
    check_reader(READERS["bvh"], bvh, load_archive("bandai"), bandai_mini)
    npz = min(amass_samples, key=lambda p: p.stat().st_size)
    check_reader(READERS["amass"], npz, load_archive("amass"))


def test_in_a_run_the_contract_is_kept_too(toy, tmp_path, monkeypatch):
    """Bad motions of an installed reader are left out with their reason; a crash names reader and file."""
    synthesizer = Synthesizer(load_archive(str(toy)), ["pelvis"], None)
    with pytest.raises(Rejection) as rejection:
        synthesizer.read(write_take(tmp_path / "short.csv", n_frames=2))
    assert rejection.value.reason == Reason.TOO_SHORT
    monkeypatch.setattr(synthesizer, "_read", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        synthesizer.read(tmp_path / "x.csv")
    assert error.value.__notes__ == [f"while reader `toy` read {tmp_path / 'x.csv'}"]


def test_trials_of_an_own_format(toy, tmp_path, monkeypatch):
    config = load_recordings(str(recordings_yaml(tmp_path / "toyset.yaml")))
    write_trial(tmp_path / "set" / "s1" / "turn.csv")
    (tmp_path / "set" / "s2").mkdir()
    (tmp_path / "set" / "s2" / "turn.csv").write_text("0,1\n")
    (good, bad), _ = list_trials(tmp_path / "set", config)
    recording = read_trial(good, config, sensors=["forearm_tip"], rate_hz=20.0)
    assert (recording.sensors, good.activity) == (("forearm_tip",), "turning")
    np.testing.assert_allclose(np.linalg.norm(recording.acc, axis=-1), STANDARD_GRAVITY, rtol=1e-6)
    with pytest.raises(Rejection, match=r"s2/turn\.csv: bad_shape"):
        read_trial(bad, config, sensors=["chest"], rate_hz=20.0)

    def with_hole(*arguments, **settings):
        recording.acc[3, 0, 1] = np.nan
        return recording

    monkeypatch.setitem(RECORDING_READERS._loaded, "toy", with_hole)
    with pytest.raises(Rejection, match=r"non_finite: `acc` of forearm_tip"):
        read_trial(good, config, sensors=["forearm_tip"], rate_hz=20.0)
    with pytest.raises(TypeError, match=r"must give \('forearm_tip',\) at 50") as error:
        read_trial(good, config, sensors=["forearm_tip"], rate_hz=50.0)
    assert error.value.__notes__ == [f"while reader `toy` read {good.path}"]


def test_the_reader_of_the_documentation_is_one(toy, repo, tmp_path):
    page = (repo / "docs" / "archives.md").read_text(encoding="utf-8")
    [block] = [b.split("```")[0] for b in page.split("```python\n") if b.startswith("# mylab_mocap.py")]
    code: dict[str, object] = {}
    exec(block, code)  # noqa: S102
    file = write_take(tmp_path / "turn" / "one.csv", n_frames=20)
    check_reader(code["read"], file, load_archive(str(toy)), tmp_path)
