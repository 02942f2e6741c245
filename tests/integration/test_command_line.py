"""Jobs as a person runs them: from the repository's root, exit 0, 2 or 1, and the stdlib's `platform` intact."""

import shlex
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish

JOBS = (
    "synthesize", "prepare", "pretrain", "tune", "finetune", "crossval", "evaluate", "export", "pipeline", "study",
)  # fmt: skip


def run(repo, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=repo, capture_output=True, text=True, timeout=120)


def test_platform_is_the_standard_librarys_in_the_repository_root(repo):
    out = run(repo, "-c", "import platform, vimu; print(platform.system(), platform.__file__)")
    assert out.returncode == 0, out.stderr
    system, where = out.stdout.split()
    assert system == "Linux"
    assert where.endswith("/platform.py")
    assert not (repo / "platform" / "__init__.py").exists()


def test_a_dry_run_from_the_root_shows_the_plan_and_writes_nothing(repo, small_data, demo_body, tmp_path):
    """A job run from the repository's root, which holds a folder `platform`."""
    inputs = f"[{{archive: amass, root: {small_data / 'amass'}, body: {demo_body}}}]"
    out = run(
        repo, "jobs/synthesize.py", "--config", "configs/demo.yaml", "--set", f"synthesize.inputs={inputs}", "--set",
        f"runs_dir={tmp_path}", "--dry-run",
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    assert "remove_combat" in out.stderr
    assert "walking" in out.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault(12)
def test_a_dry_run_of_what_would_be_refused_is_exit_2_with_the_difference(repo, small_data, demo_body, tmp_path):
    inputs = f"[{{archive: amass, root: {small_data / 'amass'}, body: {demo_body}}}]"
    folder = tmp_path / "demo" / "synthesize"
    other = {"stage": "synthesize", "settings": {"rate_hz": 50.0}}
    publish(folder, identity=other, build=lambda *_: Outcome({}, "h"), made_by="-")
    out = run(
        repo, "jobs/synthesize.py", "--config", "configs/demo.yaml", "--set", f"synthesize.inputs={inputs}", "--set",
        f"runs_dir={tmp_path}", "--set", "synthesize.rate_hz=60", "--dry-run",
    )  # fmt: skip
    assert out.returncode == 2
    assert "settings.rate_hz: 50.0 -> 60.0" in " ".join(out.stderr.split())
    assert "Traceback" not in out.stderr


def test_dump_config_is_a_configuration(repo, tmp_path):
    out = run(repo, "jobs/pipeline.py", "--config", "configs/open.yaml", "--set", "pretrain.epochs=7", "--dump-config")
    assert out.returncode == 0, out.stderr
    assert YAML(typ="safe").load(out.stdout)["pretrain"]["epochs"] == 7
    (tmp_path / "again.yaml").write_text(out.stdout)
    again = run(repo, "jobs/pipeline.py", "--config", str(tmp_path / "again.yaml"), "--dump-config")
    assert again.stdout == out.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config", "nope.yaml"], "`nope.yaml` does not exist"),
        (["--config", "configs/demo.yaml", "--set", "synthesize.rate_hz=-1"], "`synthesize.rate_hz`"),
        (
            ["--config", "configs/demo.yaml", "--set", "prepare.clips=/nowhere", "--set", "prepare.real.root=tests"],
            "`tests` (prepare.real.root) holds no",
        ),
        ([], "--config"),
        (["--confg", "x"], "--confg"),
    ],
)
def test_what_a_person_gives_wrong_is_exit_2_without_a_traceback(repo, arguments, says):
    out = run(repo, "jobs/prepare.py", *arguments)
    assert out.returncode == 2
    assert says in " ".join(out.stderr.split())
    assert "Traceback" not in out.stderr


def test_a_stage_before_its_input_names_the_job_to_run_first(repo, small_data, demo_body, tmp_path):
    inputs = f"[{{archive: amass, root: {small_data / 'amass'}, body: {demo_body}}}]"
    out = run(
        repo, "jobs/prepare.py", "--config", "configs/demo.yaml", "--set", f"synthesize.inputs={inputs}", "--set",
        f"prepare.real.root={small_data / 'dip'}", "--set", f"runs_dir={tmp_path}",
    )  # fmt: skip
    assert out.returncode == 2
    again = "".join(out.stderr.split()).partition("Runfirst:")[2]  # whatever the console's width
    given = [f"synthesize.inputs={inputs}", f"prepare.real.root={small_data / 'dip'}", f"runs_dir={tmp_path}"]
    command = ["python jobs/synthesize.py --config configs/demo.yaml", *(f"--set {shlex.quote(g)}" for g in given)]
    assert again == "".join(" ".join(command).split())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("overrides=[prepare.windws=1]", "`prepare.windws` is no setting"),
        ("base=nope.yaml", "`nope.yaml` does not exist"),
        ("methods=[{experiment: scratch, method: random_forest, subsets: [[chest, chest]]}]", "each once"),
        ("overrides=['synthesize.inputs=[]']", "`synthesize.inputs`"),
    ],
)
def test_what_is_wrong_with_a_study_is_exit_2(repo, changed, says):
    out = run(repo, "jobs/study.py", "--config", "configs/studies/placements.yaml", "--set", changed, "--dry-run")
    assert out.returncode == 2
    assert says in " ".join(out.stderr.split())
    assert "Traceback" not in out.stderr


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_help(repo, job):
    out = run(repo, f"jobs/{job}.py", "--help")
    assert out.returncode == 0, out.stderr
    for option in ("--config", "--set", "--dry-run", "--dump-config"):
        assert option in out.stdout
