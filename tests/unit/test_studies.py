"""Studies of placements: which channels a set of sensors has, people apart in every fold, and what the table says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimu.evaluation.placements import best_single_sentence, compare_sensors, set_name, table_csv, write_figure
from vimu.evaluation.results import Experiment
from vimu.runtime.config import load_config, validate
from vimu.runtime.errors import UserError
from vimu.stages.config import Config
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.crossval import out_of_fold, run_trial
from vimu.tuning.folds import Folds, folds_by
from vimu.tuning.side import cautions, side_of
from vimu.tuning.study import ComparedMethod, PlacementStudy, Trial
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

SENSORS = ("chest", "waist", "right_wrist")


def windows(
    n_subjects: int = 6, n_each: int = 4, sensors: tuple[str, ...] = SENSORS, telling: str = "waist"
) -> WindowSet:
    """Three activities by everybody; only the sensor `telling` moves differently in them, all others are noise."""
    rng = np.random.default_rng(0)
    labels = ("bending", "hopping", "walking")
    label = np.array([name for _ in range(n_subjects) for name in labels for _ in range(n_each)])
    subject = np.array([f"s{i:02d}" for i in range(n_subjects) for _ in range(len(labels) * n_each)])
    channels = channel_names("sensor_acc", sensors)
    x = rng.normal(size=(len(label), 16, len(channels)))
    told = [i for i, name in enumerate(channels) if name.startswith(f"{telling}.")]
    x[:, :, told] *= (1 + 3 * np.array([labels.index(name) for name in label]))[:, None, None]
    n = len(label)
    return WindowSet(
        x.astype(np.float32), label, subject, np.array(["train"] * n), np.array(["toy"] * n),
        np.array([f"w{i:04d}" for i in range(n)]), channels, 20.0, "sensor_acc",
        np.ones(n, np.float32),
    )  # fmt: skip


@given(chosen=st.lists(st.sampled_from(SENSORS), min_size=1, unique=True))
def test_a_set_of_sensors_has_exactly_their_columns(chosen):
    every = windows(n_subjects=2, n_each=1)
    some = every.of_sensors(chosen)
    kept = [s for s in SENSORS if s in chosen]
    assert some.sensors == tuple(kept)
    assert some.channels == channel_names("sensor_acc", kept)
    for i, name in enumerate(some.channels):
        np.testing.assert_array_equal(some.x[:, :, i], every.x[:, :, every.channels.index(name)])
    np.testing.assert_array_equal(some.window_id, every.window_id)


def test_dropping_a_sensor_of_twelve_channels_drops_its_twelve():
    every = windows(n_subjects=2, n_each=1)
    channels = channel_names("world_acc_ori", ["head", "waist"])
    x = np.tile(np.arange(24, dtype=np.float32), (len(every), 16, 1))
    both = WindowSet(
        x,
        every.label,
        every.subject,
        every.split,
        every.dataset,
        every.window_id,
        channels,
        60.0,
        "world_acc_ori",
        every.speed,
    )
    assert both.of_sensors(["waist"]).x[0, 0].tolist() == list(range(12, 24))


@pytest.mark.parametrize(
    ("named", "says"), [([], "are none"), (["waist", "waist"], "are waist, waist"), (["head"], "are head")]
)
def test_sensors_that_cannot_be_chosen(named, says):
    with pytest.raises(UserError, match=f"`sensors` must be some of chest, right_wrist, waist, each once, but {says}"):
        windows(n_subjects=2, n_each=1).of_sensors(named)


def method(**changes) -> ComparedMethod:
    return validate(ComparedMethod, {"experiment": "scratch", "method": "random_forest"} | changes, where="test")


def test_sets_come_small_first_in_the_windows_order_and_end_with_all():
    assert method(sizes=[2, 1]).sets_of(SENSORS) == [
        ("chest",), ("waist",), ("right_wrist",), ("chest", "waist"), ("chest", "right_wrist"),
        ("waist", "right_wrist"), SENSORS,
    ]  # fmt: skip
    assert method(subsets=[["right_wrist", "chest"]]).sets_of(SENSORS) == [("chest", "right_wrist"), SENSORS]
    assert method(sizes=[3]).sets_of(SENSORS) == [SENSORS]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "either `sizes` or `subsets`"),
        ({"sizes": [], "subsets": []}, "not an empty list"),
        ({"sizes": [1], "subsets": [["chest"]]}, "either `sizes` or `subsets`"),
        ({"subsets": [[]]}, "one sensor or more"),
        ({"subsets": [["chest", "chest"]]}, "each once"),
        ({"subsets": [["chest", "waist"], ["waist", "chest"]]}, "must not repeat"),
        ({"sizes": [1, 1]}, "must not repeat"),
        ({"sizes": [0]}, "greater than 0"),
        ({"experiment": "finetuned", "sizes": [1]}, "must be penalty_cnn or deepconvlstm"),
    ],
)
def test_what_no_set_of_sensors_can_be_is_said(changes, says):
    with pytest.raises(UserError, match=says):
        method(**changes)


def test_sensors_and_sizes_that_the_windows_lack_are_named():
    with pytest.raises(
        UserError, match=r"must name sensors of the windows \(chest, waist, right_wrist\).* names elbow"
    ):
        method(subsets=[["chest", "elbow"]]).sets_of(SENSORS)
    with pytest.raises(UserError, match="must be at most 3, the sensors there are, but one is 4"):
        method(sizes=[1, 4]).sets_of(SENSORS)


def study(**changes) -> PlacementStudy:
    raw = {
        "kind": "placements", "base": "b.yaml", "n_folds": 3,
        "methods": [{"experiment": "scratch", "method": "random_forest", "sizes": [1]}],
    }  # fmt: skip
    return validate(PlacementStudy, raw | changes, where="test")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": [0, 1, 0]}, "`seeds`: must name each once"),
        ({"seeds": []}, "`seeds`"),
        ({"methods": []}, "`methods`"),
        ({"methods": [{"experiment": "virtual", "method": "penalty_cnn", "sizes": [n]} for n in (1, 2)]}, "once"),
        ({"kind": "optuna"}, "`kind`"),
        ({"n_folds": 2}, "`n_folds`"),
        ({"sensors": ["chest"]}, "`sensors` is no setting"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes, says):
    with pytest.raises(UserError, match=says):
        study(**changes)


def test_shipped_studies_fit_their_base_and_name_sensors_that_it_has(repo):
    paths = sorted((repo / "configs" / "studies").glob("placements*.yaml"))
    assert paths
    for path in paths:
        shipped = load_config(PlacementStudy, path)
        assert len(shipped.seeds) >= 3
        config = load_config(Config, repo / shipped.base, shipped.overrides)
        sensors = config.preparation.windows.sensors
        assert set(sensors) <= set(config.synthesis.placements)
        for compared in shipped.methods:
            assert {(s,) for s in sensors} <= set(compared.sets_of(sensors))


def test_every_window_is_predicted_once_by_a_learner_that_never_saw_its_person():
    toy, calls = windows(), []
    folds = folds_by(toy, toy.subject.tolist(), "subjects", n_folds=3, seed=0, dataset="toy")

    def learner(train, val, test):
        people = [set(part.subject.tolist()) for part in (train, val, test)]
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
        calls.append(test.window_id.tolist())
        return np.eye(3)[test.targets(toy.classes)]

    probabilities = out_of_fold(toy, 3, folds, learner)
    assert sorted(name for call in calls for name in call) == toy.window_id.tolist()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), toy.targets(toy.classes))


def test_a_person_in_two_folds_is_refused():
    toy = windows()
    with pytest.raises(UserError, match="A subject must be in one split only"):
        out_of_fold(toy, 3, Folds("subjects", np.arange(len(toy)) % 3, 3), lambda *_: None)


def trial_of(toy, sensors, seed, method="random_forest", experiment="scratch", virtual=None):
    small = {"widths": [8, 8], "hidden": 8}
    return run_trial(
        Trial(experiment, method, sensors, seed), toy, virtual, toy.classes, n_folds=3, n_trees=20,
        pretrain=PretrainSettings(epochs=2, batch_size=16, model=small),
        finetune=FinetuneSettings(epochs=2, batch_size=16),
    )  # fmt: skip


def test_the_sensor_that_tells_the_activities_is_found():
    toy = windows(telling="waist")
    sets = [("chest",), ("waist",), SENSORS]
    by_sensors = {s: {seed: trial_of(toy, s, seed) for seed in (0, 1)} for s in sets}
    what = Experiment("toy", "scratch", "random_forest", synthetic=True)
    rows = compare_sensors(what, toy, toy.classes, by_sensors, split="3 folds", n_resamples=200)
    chest, waist, every = rows
    assert waist["macro_f1"] > 0.95
    assert chest["macro_f1"] < 0.6
    assert chest["difference_to_all"] == pytest.approx(chest["macro_f1"] - every["macro_f1"])
    assert chest["difference_ci95"][1] < -0.2
    assert (every["difference_to_all"], every["difference_ci95"]) == (0, [0, 0])
    assert waist["channels"] == ["waist.acc.x", "waist.acc.y", "waist.acc.z"]
    scores = {tuple(r["sensors"]): r["macro_f1"] for r in rows}
    sentence = best_single_sentence(what, toy, toy.classes, by_sensors, scores, n_resamples=200)
    assert "of single sensors waist scores most" in sentence
    assert "above chest" in sentence
    assert sentence.endswith("the two can be told apart.")
    alike = {("chest",): by_sensors[("chest",)], ("waist",): by_sensors[("chest",)]}
    same = best_single_sentence(what, toy, toy.classes, alike, dict.fromkeys(alike, 0.3), n_resamples=200)
    assert same.endswith("the two cannot be told apart.")
    assert best_single_sentence(what, toy, toy.classes, {SENSORS: {}}, {}, n_resamples=200) is None


def test_a_pretrained_network_sees_the_same_sensors_on_both_sides():
    real = windows(n_subjects=3)
    virtual = windows(n_subjects=4)
    virtual = WindowSet(
        virtual.x, virtual.label, virtual.subject, np.where(virtual.subject == "s03", "val", "train"), virtual.dataset,
        virtual.window_id, virtual.channels, virtual.rate_hz, virtual.feature_set, virtual.speed,
    )  # fmt: skip
    first = trial_of(real, ("waist",), 0, "penalty_cnn", "finetuned", virtual)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(first, trial_of(real, ("waist",), 0, "penalty_cnn", "finetuned", virtual))
    assert not np.array_equal(first, trial_of(real, ("waist",), 0, "penalty_cnn"))


def test_classes_of_too_few_people_fall_out_by_name():
    toy = windows(n_subjects=4)
    label = toy.label.astype("<U16").copy()
    label[:2] = "going_upstairs"
    toy = WindowSet(
        toy.x,
        label,
        toy.subject,
        toy.split,
        toy.dataset,
        toy.window_id,
        toy.channels,
        toy.rate_hz,
        toy.feature_set,
        toy.speed,
    )
    side = side_of("toy", toy, study(min_people=2), synthetic=False, groups="subjects")
    assert side.classes == ("bending", "hopping", "walking")
    assert (len(side.windows), side.left_out) == (len(toy) - 2, {"going_upstairs": (1, 2)})
    said = cautions([side, side], study(min_people=2), most_rows=4)
    assert said[1] == "toy: classes that fewer than 2 subjects did are left out: going_upstairs (1, in 2 windows)."
    assert len(said) == 3
    with pytest.raises(UserError, match="but has 0 and 0"):
        side_of("toy", toy, study(min_people=5), synthetic=False, groups="subjects")


def test_names_of_sets_and_the_written_table(tmp_path):
    every = ("a", "b", "c", "d")
    assert [set_name(s, every) for s in (("a",), ("a", "c"), ("a", "b", "d"), every)] == [
        "a", "a + c", "all but c", "all",
    ]  # fmt: skip
    common = {"dataset": "toy", "synthetic": True, "experiment": "scratch", "method": "random_forest", "accuracy": 0.5}
    rows = [
        common | {"sensors": ["a", "b"], "macro_f1": 0.25, "macro_f1_ci95": None, "difference_to_all": 0.0,
                  "difference_ci95": None},
        common | {"sensors": ["a"], "macro_f1": 0.5, "macro_f1_ci95": [0.4, 0.6], "difference_to_all": 0.25,
                  "difference_ci95": [0.1, 0.3]},
    ]  # fmt: skip
    assert table_csv(rows).splitlines()[1:] == [
        "toy,true,scratch,random_forest,a+b,2,0.2500,,,0.5000,0.0000,,",
        "toy,true,scratch,random_forest,a,1,0.5000,0.4000,0.6000,0.5000,0.2500,0.1000,0.3000",
    ]
    write_figure(tmp_path / "f.png", rows)
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
