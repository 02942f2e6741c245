"""`vimu doctor` on generated data in the formats of AMASS, SMPL and DIP-IMU: whole, and broken as people have it."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from gated_data import TAKES, write_amass_layout, write_bodies, write_dip_layout
from rich.console import Console
from typer.testing import CliRunner

from vimu.cli import app
from vimu.doctor import machine
from vimu.doctor.check import Check, show

runner = CliRunner()
FEW_FOLDS = "prepare.virtual_split.n_folds=5"


@pytest.fixture(scope="module")
def whole(demo_body, tmp_path_factory):
    """A `data/` as configs/paper.yaml has it."""
    data = tmp_path_factory.mktemp("paper") / "data"
    write_amass_layout(data / "amass")
    write_bodies(data / "smpl", demo_body)
    write_dip_layout(data / "dip")
    return data


@pytest.fixture
def data(whole, tmp_path, monkeypatch):
    """A copy of it to break, below the working folder."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(whole, tmp_path / "data")


@pytest.fixture
def doctor(repo):
    """Runs it on configs/paper.yaml: exit code, and the findings."""

    def run(*overrides, code):
        sets = [part for o in (FEW_FOLDS, "prepare.virtual_split.test_folds=1", *overrides) for part in ("--set", o)]
        out = runner.invoke(app, ["doctor", "--config", str(repo / "configs" / "paper.yaml"), *sets, "--json"])
        assert out.exit_code == code, out.output
        return [Check(**check) for check in json.loads(out.stdout)["checks"]]

    return run


def of(checks, subject):
    return [check for check in checks if check.subject == subject]


def not_ok(checks):
    """But for the collections, of which there are a few takes each, and this machine's disk."""
    small = {"amass ACCAD", "amass KIT", "amass BMLrub", "disk"}
    return {(check.subject, check.status) for check in checks if check.status != "ok" and check.subject not in small}


def test_whole_data_are_found_whole(data, doctor):
    checks = doctor(code=0)
    assert not_ok(checks) == set()
    [amass, absent] = of(checks, "amass")
    assert amass.finding.startswith("`data/amass`: 6 files")
    assert amass.finding.endswith("beside them 5 that are no motions")
    assert "GRAB" in absent.finding
    assert "BMLrub" not in absent.finding  # there by its older name
    assert [c.finding for c in of(checks, "amass KIT")] == ["3 takes of 4,232 or more"]
    assert [c.finding for c in of(checks, "amass releases")] == ["6 `*_poses`"]
    assert [c.finding for c in of(checks, "amass subjects")] == ["5"]
    assert [c.finding for c in of(checks, "amass sample")] == ["opened 6 of 6, all can be read; rates 100, 120 Hz"]
    assert of(checks, "body male")[0].finding.endswith("v1.1.0.pkl`: smpl, 24 joints, 6,890 vertices, 10 shapes")
    assert of(checks, "dip subjects")[0].finding.startswith("10 of 10: s_01, s_02")
    assert of(checks, "dip files")[0].finding == "60 of 60 or more"
    assert of(checks, "dip activities")[0].finding == (
        "desk_work 10, jumping 10, stretching_arms 20, stretching_legs 10, walking 10"
    )
    [sample] = of(checks, "dip sample")
    assert "left_wrist, right_thigh, head" in sample.finding
    assert "NaN in" in sample.finding
    assert "at most 0.12% in a file" in sample.finding  # 3 of 150 frames of 1 of 17 sensors


def test_linked_paths_are_as_good(whole, tmp_path, monkeypatch, doctor):
    """As docs/paper.md has it: ln -s /my/amass data/amass."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("amass", "smpl", "dip"):
        (tmp_path / "data" / name).symlink_to(whole / name)
    checks = doctor(code=0)
    assert not_ok(checks) == set()
    assert of(checks, "amass")[0].finding.startswith("`data/amass`: 6 files")
    assert of(checks, "amass sample")[0].finding.startswith("opened 6 of 6, all can be read")


def test_nothing_there_says_what_to_get(tmp_path, monkeypatch, doctor):
    monkeypatch.chdir(tmp_path)
    checks = doctor(code=2)
    assert {("amass", "fail"), ("amass body", "fail"), ("dip", "fail")} == not_ok(checks)
    assert of(checks, "dip")[0].finding == "`data/dip` (prepare.real.root) does not exist"
    assert of(checks, "dip")[0].mend.startswith("https://dip.is.tue.mpg.de: Register")
    assert of(checks, "amass body")[0].mend.startswith("https://smpl.is.tue.mpg.de")


def test_a_missing_body_of_one_gender_is_told(data, doctor, demo_body):
    shutil.rmtree(data / "smpl")
    write_bodies(data / "smpl", demo_body, ["female"])
    checks = doctor(code=0)
    [body] = of(checks, "body")
    assert (body.status, body.finding) == ("warn", "no model for male people (5 of 6 takes opened), and no neutral one")
    assert "no_body" in body.mend
    shutil.copy(demo_body, data / "smpl" / "SMPL_NEUTRAL.pkl")
    assert of(doctor(code=0), "body") == []


def test_a_body_that_would_run_code_or_is_none_is_not_run(data, doctor):
    for path in (data / "smpl").rglob("*.pkl"):
        path.write_bytes(b"cposix\nsystem\n(S'touch canary'\ntR.")
    checks = doctor(code=2)
    assert [c.status for c in checks if c.subject in ("body male", "body female")] == ["fail", "fail"]
    assert "unsafe_pickle" in of(checks, "body male")[0].finding
    assert not (data.parent / "canary").exists()


def test_only_packed_archives(data, doctor):
    shutil.rmtree(data / "amass")
    (data / "amass").mkdir()
    with tarfile.open(data / "amass" / "ACCAD.tar.bz2", "w:bz2") as tar:
        tar.addfile(tarfile.TarInfo("ACCAD/x_poses.npz"), io.BytesIO())
    [amass] = of(doctor(code=2), "amass")
    assert amass.finding == "`data/amass` (synthesize.inputs.0.root) holds 1 packed archives only"
    assert amass.mend == "unpack them: python -m vimu.archives.unpack data/amass --into data/amass"


def test_one_more_archive_that_is_still_packed_and_a_linked_subset(data, doctor):
    (data / "amass" / "CMU.tar.bz2").write_bytes(b"-")
    (data / "elsewhere").mkdir()
    (data / "amass" / "SFU").symlink_to(data / "elsewhere")
    warnings = {check.finding: check.mend for check in of(doctor(code=0), "amass") if check.status == "warn"}
    assert "unpack data/amass" in warnings["1 archives in `data/amass` are still packed"]
    assert "links to folders are not followed: SFU" in warnings


def test_git_lfs_pointers_and_cut_files(data, doctor):
    pointer = data / "amass" / f"{TAKES[0]}.npz"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    cut = data / "amass" / f"{TAKES[1]}.npz"
    cut.write_bytes(cut.read_bytes()[:500])
    [sample] = of(doctor(code=0), "amass sample")
    assert sample.status == "warn"
    assert sample.finding.startswith("opened 6 of 6, 2 cannot be used: 2 unreadable; e.g. data/amass/ACCAD")
    assert sample.mend == "1 of them are Git LFS pointers, not the files: git lfs pull"
    for take in TAKES:
        (data / "amass" / f"{take}.npz").write_text(pointer.read_text())
    [sample] = of(doctor(code=2), "amass sample")
    assert (sample.status, "6 of them are Git LFS" in sample.mend) == ("fail", True)


def test_a_folder_that_is_not_amass(data, doctor):
    shutil.move(data / "amass" / "KIT" / "KIT", data / "amass" / "MyLab")
    np.savez(data / "amass" / "MyLab" / "3" / "features.npz", x=np.zeros(3))
    checks = doctor(code=0)
    assert "folders that are no subset by name: MyLab" in [c.finding for c in of(checks, "amass") if c.status == "warn"]
    assert of(checks, "amass releases")[0].status == "warn"
    assert "1 other" in of(checks, "amass releases")[0].finding


def test_too_few_people_for_the_folds(data, doctor):
    [subjects] = of(doctor("prepare.virtual_split.n_folds=10", code=2), "amass subjects")
    assert subjects.finding == "5, but `prepare.virtual_split.n_folds` is 10"
    assert "--set prepare.virtual_split.n_folds=5" in subjects.mend


@pytest.mark.parametrize("wrong", ["the network's files", "one person's folder", "a part"])
def test_another_folder_than_dips(data, doctor, wrong):
    if wrong == "the network's files":
        for place in (data / "dip").iterdir():
            shutil.rmtree(place)
        np.savez(data / "dip" / "imu_own_test.npz", x=np.zeros(3))
        [dip] = of(doctor(code=2), "dip")
        assert dip.finding == "`data/dip` (prepare.real.root) holds no `**/s_[0-9]*/*.pkl`"
        assert "DIP_IMU.zip (not DIP_IMU_nn.zip)" in dip.mend
    elif wrong == "one person's folder":
        [dip] = of(doctor("prepare.real.root=data/dip/s_01", code=2), "dip")
        assert "holds no" in dip.finding
    else:
        shutil.rmtree(data / "dip" / "s_09")
        checks = doctor(code=2)
        [subjects] = of(checks, "dip subjects")
        assert subjects.finding.endswith("`prepare.real_split` names s_09, not there")
        assert of(checks, "dip files")[0].finding == "54 of 60 or more"


def test_dip_unpacked_twice_and_a_hostile_recording(data, doctor):
    shutil.copytree(data / "dip", data / "dip" / "DIP_IMU")
    (data / "dip" / "s_01" / "01_a.pkl").write_bytes(b"cposix\nsystem\n(S'touch canary'\ntR.")
    checks = doctor(code=0)
    assert [c.finding for c in of(checks, "dip files") if c.status == "warn"] == [
        "there twice, in different folders: s_01/01_a, s_01/01_b, s_01/02, s_01/03 and 56 more"
    ]
    [sample] = of(checks, "dip sample")
    assert sample.status == "warn"
    assert "unsafe_pickle" in sample.finding
    assert not (data.parent / "canary").exists()


def test_no_sensor_in_common(data, doctor):
    [sample] = of(doctor("synthesize.placements=[right_pocket]", code=2), "dip sample")
    assert sample.finding == "has no sensor at right_pocket"


def test_plain_lines_where_there_is_no_terminal_and_a_table_on_one(repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = runner.invoke(app, ["doctor", "--config", str(repo / "configs" / "paper.yaml")])
    assert out.exit_code == 2
    lines = out.stdout.splitlines()
    assert "fail  dip: `data/dip` (prepare.real.root) does not exist" in lines
    assert any(line.startswith("      -> https://dip.is.tue.mpg.de") for line in lines)
    assert "a run cannot start yet" in out.stderr
    stream = io.StringIO()
    show([Check("dip", "fail", "`[x]` is missing", "get it")], Console(file=stream, force_terminal=True, width=100))
    assert "`[x]` is missing" in stream.getvalue()
    assert "what to do" in stream.getvalue()


def test_a_wrong_configuration_is_exit_2_without_findings(repo):
    out = runner.invoke(app, ["doctor", "--config", str(repo / "configs" / "paper.yaml"), "--set", "nme=x"])
    assert out.exit_code == 2
    assert "`nme` is no setting" in out.stderr
    assert out.stdout == ""


def test_any_configuration_can_be_checked(repo, bandai_mini, umafall):
    sets = ["--set", f"synthesize.inputs.0.root={bandai_mini}", "--set", f"prepare.real.root={umafall}"]
    out = runner.invoke(app, ["doctor", "--config", str(repo / "configs" / "open.yaml"), *sets])
    assert out.exit_code == 0, out.output
    assert "ok    bandai sample: opened" in out.stdout
    assert "rates 30 Hz" in out.stdout
    assert "ok    umafall subjects: 19 of 19" in out.stdout
    assert "ok    umafall files: 371 of 371 or more" in out.stdout


def test_real_amass_takes_are_read(repo, amass_samples, demo_body, tmp_path, doctor):
    """The three published samples, linked into an archive's layout where they lie."""
    folder = tmp_path / "amass" / "CMU" / "01"
    folder.mkdir(parents=True)
    for path in amass_samples:
        shutil.copy(path, folder / f"{path.stem}_poses.npz")
    checks = doctor(f"synthesize.inputs.0.root={tmp_path / 'amass'}", code=2)
    [sample] = of(checks, "amass sample")
    assert sample.finding == "opened 3 of 3, all can be read; rates 120 Hz"


# ---- versions and disk


def versions(monkeypatch, requires, installed):
    monkeypatch.setattr(machine.metadata, "requires", lambda _: requires)
    monkeypatch.setattr(machine.metadata, "version", lambda name: _installed(installed, name))
    return {check.subject: check for check in machine._versions()}


def _installed(installed, name):
    if name not in installed:
        raise machine.metadata.PackageNotFoundError(name)
    return installed[name]


def test_packages_out_of_range_or_missing_are_named(monkeypatch):
    requires = ["ray[data]<2.61,>=2.60", "torch>=2.6", "numpy>=2.0", 'pytest>=8; extra == "dev"']
    checks = versions(monkeypatch, requires, {"ray": "2.59.1", "torch": "2.13.0+cpu"})
    assert (checks["ray"].status, checks["ray"].finding) == ("fail", "is 2.59.1, but must be <2.61,>=2.60")
    assert checks["numpy"].finding == "is not installed, but must be >=2.0"
    assert checks["numpy"].mend == "python -m pip install 'numpy>=2.0'"
    assert not checks.keys() & {"torch", "pytest", "packages"}
    checks = versions(monkeypatch, requires, {"ray": "2.60.3", "torch": "2.13.0+cpu", "numpy": "2.4.6"})
    assert checks["packages"].finding.startswith("3 packages within the ranges of vimu")


def test_another_python_than_the_tested_one_warns(monkeypatch):
    monkeypatch.setattr(machine.sys, "version_info", (3, 13, 1, "final", 0))
    assert versions(monkeypatch, [], {})["python"].finding == "3.13.1; tests were run on 3.11 only"
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 9, "final", 0))
    assert versions(monkeypatch, [], {})["python"].status == "fail"


def test_a_package_that_does_not_import_is_told(monkeypatch):
    def broken(name):
        raise OSError("libcudart.so: cannot open")

    monkeypatch.setattr(machine.importlib, "import_module", broken)
    check = machine._imports("torch")
    assert (check.status, check.finding) == ("fail", "cannot be imported: OSError: libcudart.so: cannot open")


def test_the_disk_is_measured_where_runs_will_be(monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 3 * 2**30})()
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage if path == tmp_path else None)
    assert machine._disk(tmp_path / "not" / "yet", 0).finding.startswith("3.0 GiB free")
    assert machine._disk(tmp_path, 10 * 2**30).status == "ok"
    assert machine._disk(tmp_path, 23 * 2**30).status == "warn"


def test_what_exporting_takes_is_looked_for_unless_it_is_left_out(data, doctor, monkeypatch):
    monkeypatch.setattr("vimu.serving.onnx_model.find_spec", lambda name: None if name == "onnx" else name)
    [export] = of(doctor(code=2), "export")
    assert (export.status, export.mend) == ("fail", "python -m pip install 'vimu[serving]'")
    assert "`export` needs onnx, which must be installed" in export.finding
    assert not of(doctor("export=null", code=0), "export")
