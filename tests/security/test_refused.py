"""Settings, links and secrets that a job refuses before it starts anything: exit 2, one message, nothing written."""

import json
import shutil

import numpy as np
import pytest
import ray
from told import told

from vimu.recordings.config import load_recordings
from vimu.recordings.trials import list_trials
from vimu.runtime.config import load_config, validate
from vimu.runtime.credentials import has_credentials
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.resources import ResourceSettings
from vimu.runtime.session import RaySettings, ray_session
from vimu.runtime.storage import location
from vimu.runtime.yaml import parse_yaml
from vimu.stages.config import Config

SECRET = "wJalrXUtnFEMI0123456789"  # noqa: S105 - to be found nowhere


@pytest.fixture
def archive(tmp_path):
    """One take that stands still."""
    (tmp_path / "in").mkdir()
    still = {"poses": np.zeros((60, 156)), "trans": np.zeros((60, 3)), "betas": np.zeros(16)}
    np.savez(tmp_path / "in" / "walking_poses.npz", **still, gender="female", mocap_framerate=60.0)
    return tmp_path / "in"


@pytest.fixture
def synthesize(tmp_path, demo_body, archive):
    """Runs `jobs/synthesize.py` on the take, with more settings: exit code and words."""

    def start(*options, root=archive, **settings):
        inputs = [{"archive": "amass", "root": str(root), "body": str(demo_body)}]
        return told(tmp_path, {"synthesize": {"inputs": inputs, **settings}}, *options)

    return start


@pytest.mark.fault(57)
def test_an_empty_folder_is_exit_2_and_says_what_was_searched(synthesize, tmp_path):
    (tmp_path / "empty").mkdir()
    code, said = synthesize(root=tmp_path / "empty")
    assert (code, f"`{tmp_path}/empty` (synthesize.inputs.0.root) holds no `**/*.npz`" in said) == (2, True), said
    assert not (tmp_path / "runs" / "x").exists()


@pytest.mark.fault(54)
def test_a_link_out_of_the_archive_is_exit_2_and_names_both_ends(synthesize, archive, tmp_path):
    outside = shutil.move(archive / "walking_poses.npz", tmp_path / "elsewhere.npz")
    (archive / "walking_poses.npz").symlink_to(outside)
    code, said = synthesize()
    assert code == 2
    assert f"walking_poses.npz` must lie in `{archive}`, but is a link to `{outside}`" in said


@pytest.mark.fault(54)
def test_a_link_out_of_the_recordings_is_refused_and_one_within_them_or_to_them_is_not(tmp_path):
    config, root = load_recordings("dip"), tmp_path / "DIP_IMU"
    (root / "s_01").mkdir(parents=True)
    (root / "s_01" / "03.pkl").touch()
    (root / "s_01" / "05.pkl").symlink_to(root / "s_01" / "03.pkl")
    (tmp_path / "dip").symlink_to(root)
    assert [t.trial for t in list_trials(tmp_path / "dip", config)[0]] == ["s_01/03", "s_01/05"]
    (tmp_path / "secret.pkl").touch()
    (root / "s_01" / "04.pkl").symlink_to(tmp_path / "secret.pkl")
    with pytest.raises(UserError, match=r"s_01/04\.pkl` must lie in .*, but is a link to .*secret\.pkl"):
        list_trials(tmp_path / "dip", config)


@pytest.mark.fault(55)
def test_an_unknown_label_is_exit_2_and_the_known_are_listed(synthesize, tmp_path):
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("archive,sequence,decision,value,by,note\namass,walking_poses,relabel,wlaking,ann,\n")
    code, said = synthesize(decisions=str(decisions))
    assert code == 2
    assert "must be one of bending, " in said and "walking, " in said and "but is `wlaking`" in said
    code, said = synthesize(label_rules="daily13")
    assert (code, "`label_rules` must be one of daily12, or" in said, "`daily13`" in said) == (2, True, True), said


@pytest.mark.fault(56)
def test_a_tag_of_python_s_in_yaml_runs_nothing(tmp_path):
    canary = tmp_path / "canary"
    for call in ("os.system", "subprocess.check_output", "builtins.eval"):
        with pytest.raises(UserError, match="tag"):
            parse_yaml(f"a: !!python/object/apply:{call} ['touch {canary}']", where="run.yaml")
    assert not canary.exists()


@pytest.mark.fault(9)
def test_an_object_store_too_small_for_ray_is_refused_by_its_setting():
    with pytest.raises(UserError, match=r"`object_store_mb`: input should be greater than or equal to 75, but is 74"):
        validate(RaySettings, {"object_store_mb": 74}, where="ray")


@pytest.mark.fault(24)
def test_what_a_cluster_lacks_is_waited_for_no_longer_than_half_a_minute_unless_told():
    assert ResourceSettings().wait_s == 30.0


@pytest.mark.fault(59)
def test_a_job_s_own_ray_has_no_dashboard(monkeypatch):
    """And no setting could give it one, or bind it anywhere."""
    given = {}
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **arguments: given.update(arguments))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with ray_session(RaySettings()):
        pass
    assert (given["address"], given["include_dashboard"]) == ("local", False)
    assert not [name for name in (*given, *RaySettings.model_fields) if "host" in name or "dashboard_port" in name]


# ---- secrets


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "place",
    [
        f"s3://AKIA:{SECRET}@bucket/runs", f"s3://{SECRET}@bucket", f"https://u:{SECRET}@h/x",
        f"s3://AKIA:/a+/{SECRET}/@bucket/runs", f"s3:AKIA:{SECRET}@bucket", f"s3:///AKIA:{SECRET}@bucket",
        f"simplecache::s3://AKIA:{SECRET}@bucket/runs",
    ],
)  # fmt: skip
def test_a_place_with_credentials_is_refused_without_repeating_them(tmp_path, archive, demo_body, place):
    config = tmp_path / "run.yaml"
    inputs = [{"archive": "amass", "root": str(archive), "body": str(demo_body)}]
    config.write_text(json.dumps({"name": "x", "synthesize": {"inputs": inputs}}))
    for refused in (lambda: location(place), lambda: load_config(Config, config, [f"runs_dir={place}"])):
        with pytest.raises(UserError, match=r"URI without credentials.*come from the environment") as caught:
            refused()
        assert SECRET not in str(caught.value)
    assert str(location(f"{tmp_path}/a@b")) == f"{tmp_path}/a@b"
    assert not has_credentials("s3://bucket/a@b") and not has_credentials("hdfs://host:8020/a@b")


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "key", ["name", "synthesize.inputs.0.root", "synthesize.inputs.0.annotations", "labels", "extends"]
)
def test_credentials_are_refused_wherever_they_stand(tmp_path, key):
    """A setting that takes no URI would quote it, and `--dump-config` print it."""
    place = f"s3://AKIA:{SECRET}@bucket/x"
    inputs = [{"archive": "amass", "root": str(tmp_path)}]
    (tmp_path / "run.yaml").write_text(json.dumps({"name": "x", "synthesize": {"inputs": inputs}}))
    if key == "extends":
        (tmp_path / "run.yaml").write_text(f"extends: {place}\n")
    with pytest.raises(UserError, match=f"^`{key}.*` must be .* without credentials") as caught:
        load_config(Config, tmp_path / "run.yaml", [] if key == "extends" else [f"{key}={place}"])
    assert SECRET not in str(caught.value)


@pytest.mark.fault(60)
def test_secrets_of_the_environment_are_in_no_dump_and_no_manifest(synthesize, tmp_path, monkeypatch):
    names = ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "MLFLOW_TRACKING_PASSWORD")
    for name in names:
        monkeypatch.setenv(name, SECRET)
    for option in ("--dump-config", "--dry-run"):
        code, said = synthesize(option)
        assert code == 0, said
        assert "synthesize" in said
        assert SECRET not in said
    outcome = Outcome(counts={"rows": 1}, content_hash="h")
    publish(tmp_path / "s", identity={"stage": "s", "inputs": {}}, build=lambda *_: outcome, made_by="-")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in written if SECRET.encode() in path.read_bytes()] == []
    assert {"manifest.json", "_SUCCESS"} <= {path.name for path in written}
