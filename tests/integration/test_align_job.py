"""`jobs/align.py` and `jobs/evaluate.py` of an alignment on Ray Train: a tiny encoder, a second of training."""

import json
from pathlib import Path

import pytest
import torch

from published_windows import publish_descriptions, publish_windows
from text_encoders import write_tiny_encoder
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.semantics.aligned import load_aligned
from vimu.semantics.encoder_files import encoder_files
from vimu.stages import align, align_fits, evaluate, interpret
from vimu.stages.config import Config
from vimu.stages.recognize import recognize

pytestmark = pytest.mark.ray
CLASSES = {"walking": ["walking"], "up": ["going_upstairs"], "jogging": ["jogging"], "still": ["sitting"]}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", layers=2)


def configured(folder: Path, encoder: Path, **changes) -> Config:
    aligned = {
        "classes": CLASSES, "unseen": ["up"], "targets": {"other": str(folder / "other" / "prepare")},
        "text_encoder": str(encoder), "tuned_layers": 1, "stage1": {"steps": 3, "batch_size": 8},
        "stage2": {"epochs": 4, "batch_size": 16}, "seeds": [0], "controls": ["softmax", "random_weights"],
        "n_workers": 2, "n_trees": 10,
    }  # fmt: skip
    raw = {"name": "run", "runs_dir": str(folder), "align": aligned | changes, "evaluate": {"n_resamples": 50}}
    return validate(Config, raw | {"ray": {"num_cpus": 2, "object_store_mb": 100}}, where="test")


@pytest.fixture(scope="module")
def aligned(local_ray, tmp_path_factory, encoder):
    """A run whose alignment is published, and its configuration."""
    folder = tmp_path_factory.mktemp("runs")
    publish_windows(folder / "run", 96)
    publish_windows(folder / "other", 48, seed=7)
    config = configured(folder, encoder)
    interpret.STAGE.run(config, interpret.plan(config), "test.yaml")
    return config, align.STAGE.run(config, align.plan(config), "test.yaml")


def test_every_model_is_published_and_running_again_does_nothing(aligned):
    config, published = aligned
    assert published.manifest["counts"]["models"] == 5
    assert {p.name for p in (published.folder / "models").iterdir()} == {
        "all-aligned-0", "unseen-aligned-0", "all-softmax-0", "all-random_weights-0", "unseen-random_weights-0",
    }  # fmt: skip
    assert not (published.folder / ".ray_train").exists()
    assert align.STAGE.run(config, align.plan(config), "test.yaml").fresh is False
    card = load_aligned(published.folder / "models" / "unseen-aligned-0" / "model.pt").card
    assert card.seen == ("walking", "jogging", "still") and card.classes == tuple(CLASSES)


def test_the_evaluation_follows_the_metrics_contract(aligned):
    config, _ = aligned
    published = evaluate.STAGE.run(config, evaluate.STAGE.plan(config), "test.yaml")
    metrics = json.loads((published.folder / "metrics.json").read_text())
    rows = {(r["setting"], r["variant"]): r for r in metrics["results"]}
    assert {name for setting, name in rows if setting == "cross_dataset"} == {
        "aligned", "softmax", "random_weights", "random_forest",
    }  # fmt: skip
    assert {name for setting, name in rows if setting == "unseen"} == {"aligned", "random_weights"}
    cross, unseen = rows["cross_dataset", "aligned"], rows["unseen", "aligned"]
    assert (cross["experiment"], cross["method"], cross["n_windows"]) == ("zero_shot", "aligned", 48)
    assert set(cross) >= {"accuracy", "macro_f1_ci95", "per_class", "confusion", "accuracy_over_softmax_ci95", "auc"}
    assert unseen["unseen"] == ["up"] and 0 <= unseen["unseen_recall"] <= 1
    assert rows["within", "random_forest"]["accuracy"] > 0.9  # made windows are easy
    assert "<svg" in (published.folder / "report.html").read_text()


def test_the_source_is_no_target_of_its_own(aligned, encoder):
    folder = Path(str(aligned[0].runs_dir))
    targets = {"itself": str(folder / "run" / "prepare"), "other": str(folder / "other" / "prepare")}
    config = configured(folder, encoder, targets=targets)
    assert list(evaluate.STAGE.plan(config).work.targets) == ["other"]


def test_new_labels_are_given_as_texts(aligned, encoder, tmp_path):
    model = load_aligned(aligned[1].folder / "models" / "all-aligned-0" / "model.pt")
    files = encoder_files(str(encoder))
    vectors = model.of_texts(files, [["Strong and even."], ["No rhythm prevails.", "Rest."]])
    assert vectors.shape == (2, 32) and float(vectors[0] @ vectors[1]) < 0.9999
    with pytest.raises(UserError, match="must be the one that the model was made with"):
        model.of_texts(encoder_files(str(write_tiny_encoder(tmp_path / "another", layers=2, seed=1))), [["Rest."]])


def test_labels_on_the_command_line_name_windows(aligned):
    config, _ = aligned
    says, tables = recognize(config, ["walking upstairs", "sitting still", "quick bounds"])
    assert ["going_upstairs" in says[0], "sitting" in says[1], "own words" in says[2]] == [True] * 3
    assert [table.title.split(":")[0] for table in tables] == ["made other, cross_dataset", "made, within"]
    assert all(sum(shares) == pytest.approx(1) for table in tables for _, _, shares in table.rows)
    with pytest.raises(UserError, match="two or more"):
        recognize(config, ["walking"])


def test_a_killed_run_makes_only_what_is_not_whole_again(aligned, tmp_path):
    config, published = aligned
    planned = align.plan(config)
    names = [fit.name for fit in planned.work.fits]
    storage = tmp_path / "ray"
    for i, name in enumerate(names):  # as Ray Train leaves them
        folder = storage / "attempt-1" / f"checkpoint_{i}" / name
        folder.mkdir(parents=True)
        for file in ("model.pt", "log.json"):
            (folder / file).write_bytes((published.folder / "models" / name / file).read_bytes())
        align_fits.seal(folder, dict(planned.identity), epoch=0, final=True)
    torn = storage / "attempt-1" / "checkpoint_2" / names[2] / "model.pt"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:1000])
    job = align.job_of(planned.work, dict(planned.identity))
    folders = align_fits.align_on_ray(planned.work.fits, job, storage=storage, n_workers=2)
    made = {name for name, folder in folders.items() if "attempt-2" in str(folder)}
    assert made == {names[2]}
    assert (folders[names[2]] / "model.pt").read_bytes() == whole, "trained again to other weights"


@pytest.fixture(scope="module")
def of_mocap(aligned, encoder, tmp_path_factory):
    """An alignment that learnt from made clips by what is said of them, and its configuration."""
    folder = tmp_path_factory.mktemp("virtual")
    publish_windows(folder / "run", 48, sensors=("waist", "chest"), seed=3)
    said = {"walking": "he walks", "jogging": "she runs", "sitting": "he sits down", "going_upstairs": "up the stairs"}
    publish_descriptions(folder / "run", said)
    config = configured(
        folder, encoder, learn="virtual", texts="descriptions", controls=["softmax"], n_workers=1,
        classes=CLASSES | {"lie": ["lying"]}, unseen=["lie"],
        targets={"other": str(Path(str(aligned[0].runs_dir)) / "other" / "prepare")},
    )  # fmt: skip
    return config, align.STAGE.run(config, align.plan(config), "test.yaml")


def test_mocap_teaches_by_its_descriptions_at_every_sensor(of_mocap):
    config, published = of_mocap
    details = published.details
    assert (details["datasets"], details["sensors"]) == (["made"], ["waist", "chest"])
    # `lie` has no windows: there is nothing to keep a second model from
    assert [fit["task"] for fit in details["fits"]] == ["all", "all"]
    card = load_aligned(published.folder / "models" / "all-aligned-0" / "model.pt").card
    assert card.seen == tuple(CLASSES) and card.classes == (*CLASSES, "lie")
    log = json.loads((published.folder / "models" / "all-aligned-0" / "log.json").read_text())
    assert log["windows"] == 2 * 32  # 32 of 48 train, at two sensors
    scored = evaluate.STAGE.run(config, evaluate.STAGE.plan(config), "test.yaml")
    rows = {
        (r["setting"], r["variant"]): r for r in json.loads((scored.folder / "metrics.json").read_text())["results"]
    }
    assert rows["within", "aligned"]["n_windows"] == 2 * 16
    assert {variant for setting, variant in rows if setting == "cross_dataset"} == {
        "aligned",
        "softmax",
        "random_forest",
    }


def test_an_alignment_goes_on_from_another_s_sensor_encoder(aligned, of_mocap, encoder, tmp_path):
    folder, start = Path(str(aligned[0].runs_dir)), of_mocap[1].folder
    sensors = []
    for name, given in (("onward", {"start": str(start)}), ("anew", {})):
        config = configured(folder, encoder, unseen=[], controls=["softmax"], stage2={"epochs": 1, "lr": 1e-9}, **given)
        work = align.plan(config).work
        job = align.job_of(work, {"of": name})
        assert set(job.start) == ({"all-aligned-0"} if given else set())
        folders = align_fits.align_on_ray(work.fits, job, storage=tmp_path / name, n_workers=1)
        sensors.append(load_aligned(folders["all-aligned-0"] / "model.pt").sensor.state_dict()["out.weight"])
    before = load_aligned(start / "models" / "all-aligned-0" / "model.pt").sensor.state_dict()["out.weight"]
    assert torch.allclose(sensors[0], before, atol=1e-5) and not torch.allclose(sensors[1], before, atol=1e-2)
    with pytest.raises(UserError, match="must hold models all-aligned-1"):
        align.plan(configured(folder, encoder, start=str(start), seeds=[1]))


def test_classes_without_training_windows_and_targets_that_do_not_fit_are_refused(aligned, encoder):
    config, _ = aligned
    folder = Path(str(config.runs_dir))
    with pytest.raises(UserError, match="hop has none"):
        align.plan(configured(folder, encoder, classes=CLASSES | {"hop": ["hopping"]}))
    few = configured(folder, encoder, targets={"far": str(folder / "nowhere" / "prepare")})
    with pytest.raises(UserError, match="nowhere"):
        evaluate.STAGE.plan(few)


@pytest.fixture(scope="module")
def by_statements(aligned, encoder, tmp_path_factory):
    """The same windows, compared statement by statement, with others of no class beside them."""
    folder = Path(str(aligned[0].runs_dir))
    elsewhere = tmp_path_factory.mktemp("statements")
    publish_windows(elsewhere / "mocap", 24, sensors=("waist", "chest"), seed=5)
    given = {
        "compare": "statements", "unlabelled": {"windows": str(elsewhere / "mocap" / "prepare"), "copies": 2},
        "controls": ["softmax", "whole_text", "labelled_only", "random_weights"],
    }  # fmt: skip
    config = configured(folder, encoder, **given)
    job = align.job_of(align.plan(config).work, {"of": "statements"})
    return align_fits.align_on_ray(align.plan(config).work.fits, job, storage=elsewhere / "ray", n_workers=1)


def test_statements_are_learnt_with_windows_of_no_class_beside_them(by_statements, encoder):
    folders = by_statements
    assert len(folders) == 9
    logs = {name: json.loads((folder / "log.json").read_text()) for name, folder in folders.items()}
    labelled = logs["all-labelled_only-0"]["windows"]
    assert logs["all-aligned-0"]["windows"] > labelled + 2 * 2 * 8, "mocap at both sensors, each twice, and copies"
    assert logs["all-softmax-0"]["windows"] == labelled
    model = load_aligned(folders["all-aligned-0"] / "model.pt")
    assert model.statements is not None and model.prototypes.shape == (4, model.statements.width)
    same, other = model.of_texts(encoder_files(str(encoder)), [["Strong and even."], ["No rhythm prevails."]])
    assert float(same @ other) < 0.99
    assert load_aligned(folders["all-whole_text-0"] / "model.pt").statements is None


def test_windows_of_another_rate_are_no_company(aligned, encoder, tmp_path):
    publish_windows(tmp_path / "mocap", 24, seed=5, rate_hz=25.0)
    unlabelled = {"windows": str(tmp_path / "mocap" / "prepare")}
    with pytest.raises(UserError, match="must hold windows of 200 frames at the rate of"):
        align.plan(configured(Path(str(aligned[0].runs_dir)), encoder, compare="statements", unlabelled=unlabelled))
