"""The experiments on all people, without Ray: who is apart, what is labelled, what fits depend on, what is refused."""

import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimu.archives.config import load_archive
from vimu.archives.take import take_of
from vimu.models.choice import build_network
from vimu.models.penalty_cnn import CnnSettings
from vimu.runtime.config import configs_folder, load_config, validate
from vimu.runtime.errors import UserError
from vimu.runtime.yaml import read_yaml
from vimu.stages import ablations
from vimu.stages.ablations import ablate
from vimu.stages.budget import units_of
from vimu.stages.config import Config
from vimu.stages.crossval import _known
from vimu.stages.crossval_parts import Part
from vimu.training.augment import AugmentSettings
from vimu.training.checkpoint import save_model
from vimu.training.fit import card_for
from vimu.training.loop import predict
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.experiments import CrossvalSettings
from vimu.tuning.fits import Fit
from vimu.tuning.folds import Folds, folds_by, parts_of, require_every_class, style_of_each
from vimu.tuning.learners import not_finetuned, varied_copies
from vimu.tuning.nested import FineTuned, ForestWithCopies, FromScratch, tune_inside
from vimu.tuning.rows import REAL, Rows, Variant, every_fit
from vimu.tuning.shares import recorded_s, share_of_trials
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

CHANNELS = channel_names("sensor_acc", ["wrist"])
LENGTH, HOP = 40, 20


def windows(n_subjects: int = 6, n_trials: int = 2, n_each: int = 3) -> WindowSet:
    """Trials of three activities by everybody: 40 frames at 20 Hz, half of them shared with the next window."""
    rows = [
        (f"s{s}", label, f"toy:s{s}-{label}-{t}:{i * HOP:06d}")
        for s in range(n_subjects) for label in ("bending", "hopping", "walking") for t in range(n_trials)
        for i in range(n_each)
    ]  # fmt: skip
    subject, label, name = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    x = np.random.default_rng(0).normal(size=(n, LENGTH, len(CHANNELS))).astype(np.float32)
    x *= (1 + 4 * np.array([("bending", "hopping", "walking").index(name) for name in label]))[:, None, None]
    return WindowSet(
        x, label, subject, np.array(["train"] * n), np.array(["toy"] * n), name, CHANNELS, 20.0, "sensor_acc",
        np.ones(n, np.float32),
    )  # fmt: skip


@given(share=st.floats(0.001, 1), larger=st.floats(0.001, 1), seed=st.integers(0, 50))
def test_a_share_is_whole_trials_with_one_of_each_class_and_within_a_larger_share(share, larger, seed):
    every = windows(n_subjects=3)
    some = share_of_trials(every, min(share, larger), seed=seed)
    more = share_of_trials(every, max(share, larger), seed=seed)
    assert set(some.window_id) <= set(more.window_id)
    assert some.classes == every.classes
    n_of = {s: int((every.source == s).sum()) for s in set(every.source.tolist())}
    assert {s: int((some.source == s).sum()) for s in set(some.source.tolist())}.items() <= n_of.items()
    excess = len(some) - min(share, larger) * len(every)
    assert -0.001 <= excess < 3 or len(set(some.source.tolist())) == 3  # by less than a trial, or one of each class


def test_seconds_that_two_windows_share_count_once():
    every = windows(n_subjects=1, n_trials=1)
    assert recorded_s(every) == pytest.approx(3 * (LENGTH + 2 * HOP) / 20)
    apart = every.take(np.array([0, 2]))  # the two ends of a trial, which touch and do not overlap
    assert recorded_s(apart) == pytest.approx(2 * LENGTH / 20)


@given(seed=st.integers(0, 20), validation=st.sampled_from(["fold", "none"]))
def test_nobody_is_on_two_sides_and_everybody_is_tested_once(seed, validation):
    every = windows()
    folds = folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=seed, dataset="toy")
    tested = []
    for k in range(3):
        train, val, test = parts_of(every, folds, k, validation)
        people = [set(part.subject.tolist()) for part in (train, val, test)]
        assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
        assert bool(people[1]) == (validation == "fold")
        assert sum(map(len, (train, val, test))) == len(every)
        tested += test.window_id.tolist()
    assert sorted(tested) == sorted(every.window_id.tolist())


def test_a_subject_in_two_splits_is_named():
    every = windows()
    fold = np.arange(len(every)) % 3
    with pytest.raises(UserError, match=r"in one split only, but in fold 1 s0, s1.* is in training and in test"):
        parts_of(every, Folds("subjects", fold, 3), 1, "fold")


def test_a_class_that_a_fold_cannot_learn_is_named():
    every = windows()
    folds = folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=0, dataset="toy")
    one = every.subject[folds.test_rows(2)][0]
    label = np.where((every.label == "hopping") & (every.subject != one), "walking", every.label)
    with pytest.raises(
        UserError, match=r"of `toy`, but with subjects apart there is none of `hopping` in fold 1, `hopp"
    ):
        require_every_class(replace(every, label=label), folds, "fold", dataset="toy")


def test_held_out_styles_take_all_their_clips_with_them():
    every = windows()
    styles = {
        source: ("old", "happy", "sad", "giant")[i % 4] for i, source in enumerate(sorted(set(every.source.tolist())))
    }
    groups = style_of_each(every, styles)
    folds = folds_by(every, groups, "styles", n_folds=4, seed=0, dataset="toy")
    for k in range(4):
        tested = set(np.array(groups)[folds.fold == k].tolist())
        assert tested
        assert not tested & set(np.array(groups)[folds.fold != k].tolist())


def test_bandai_names_the_style_of_a_take(tmp_path):
    archive = load_archive("bandai")
    path = tmp_path / "dataset" / "data" / "dataset-1_walk-turn-left_not-confident_003.bvh"
    sequence = take_of(path, tmp_path, archive).sequence
    assert archive.style is not None
    found = re.search(archive.style, sequence)
    assert found is not None
    assert found["style"] == "not-confident"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ["penalty_cnn", "transformer"]}, r"methods.*'penalty_cnn', 'deepconvlstm' or 'random_forest'"),
        ({"methods": ["penalty_cnn", "penalty_cnn"]}, "must name each once"),
        ({"n_folds": 2}, "greater than or equal to 3"),
        ({"label_shares": [0.1, 0]}, "greater than 0"),
        ({"ablations": ["penalty", "penalty"]}, "must name each once"),
        ({"settings": {"penalty_cnn": {"pretrain": {"epoch": 3}}}}, r"`pretrain\.epoch` is no setting"),
        ({"settings": {"penalty_cnn": {"finetune": {"lr": -1}}}}, r"`finetune\.lr`.*greater than 0"),
        ({"settings": {"penalty_cnn": {"scratch": {"seed": 3}}}}, r"`scratch\.seed` must be left to `crossval\.seeds`"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        validate(CrossvalSettings, given, where="test")


def test_settings_of_a_network_go_over_the_runs():
    settings = validate(
        CrossvalSettings,
        {"settings": {"deepconvlstm": {"pretrain": {"lr": 0.01, "augment": {"scale": 0.5}, "model": {"units": 8}},
                                       "scratch": {"epochs": 7}, "finetune": {"epochs": 9}}}},
        where="test",
    )  # fmt: skip
    base = PretrainSettings(epochs=3, augment=AugmentSettings(misalignment_deg=30))
    before, alone = settings.pretrain_of("deepconvlstm", base), settings.scratch_of("deepconvlstm", base)
    assert (before.lr, before.epochs, before.augment.misalignment_deg, before.augment.scale) == (0.01, 3, 30, 0.5)
    assert before.model.kind == "deepconvlstm"
    assert before.model.units == 8
    assert alone == before.model_copy(update={"epochs": 7})
    assert settings.finetune_of("deepconvlstm", FinetuneSettings()).epochs == 9
    assert settings.scratch_of("penalty_cnn", base) == base


def rows_of(**changes):
    settings = validate(CrossvalSettings, {"n_folds": 3, "label_shares": [0.1, 1.0]} | changes, where="test")
    return Rows(settings, Variant("", PretrainSettings(), FinetuneSettings()), n_trees=10)


def test_what_rows_share_is_fitted_once():
    make = rows_of(virtual_splits=[], methods=["penalty_cnn", "random_forest"])
    table = list(make.table(known={}, styles=False))
    assert [(r.experiment, r.method, r.extra.get("augmented_copies")) for r in table] == [
        ("scratch", "penalty_cnn", None), ("finetuned", "penalty_cnn", None), ("scratch", "random_forest", 0),
        ("scratch", "random_forest", 4),
    ]  # fmt: skip
    n_table = 3 * 3 * 4 + 3  # folds x seeds x rows, pre-trained once a seed
    assert len(every_fit(table)) == n_table
    curve = list(make.curve("penalty_cnn"))
    assert (
        len(every_fit([*table, *curve])) == n_table + 3 * 3
    )  # all labels are the table's; a tenth are fits of their own
    fits = every_fit([*table, *curve])
    place = {fit: i for i, fit in enumerate(fits)}
    assert all(place[need] < place[fit] for fit in fits for need in fit.needs)
    assert len({fit.key for fit in fits}) == len(fits)


def test_an_ablation_fits_again_only_what_it_changes():
    make = rows_of(virtual_splits=[])
    table = list(make.table(known={}, styles=False))
    plain = Variant("penalty off", PretrainSettings(penalty_weight=0), FinetuneSettings())
    other_windows = Variant("upsampling on", PretrainSettings(), FinetuneSettings(), "pretraining upsampling on")
    rows = list(make.ablation("penalty_cnn", [plain, other_windows]))
    assert [(r.experiment, r.extra["ablation"]) for r in rows] == [
        ("scratch", "none"), ("finetuned", "none"), ("scratch", "penalty off"), ("finetuned", "penalty off"),
        ("finetuned", "upsampling on"),
    ]  # fmt: skip
    assert len(every_fit([*table, *rows])) - len(every_fit(table)) == (3 + 1 + 3) + (1 + 3)
    assert rows[3].scratch is not None
    assert rows[3].scratch.fits == rows[2].fits
    assert rows[4].whole == rows[1]


def test_tuning_is_once_a_fold_and_start_with_the_same_trials_for_all():
    make = rows_of(virtual_splits=[], methods=["penalty_cnn", "random_forest"], tune_trials=6)
    fits = every_fit(list(make.table(known={}, styles=False)))
    tune = [fit for fit in fits if fit.kind == "tune"]
    assert sorted((fit.given["of"], fit.fold) for fit in tune) == [
        (of, fold) for of in ("finetuned", "forest", "scratch") for fold in range(3)
    ]
    assert {fit.given["trials"] for fit in tune} == {6}
    judged = [fit for fit in fits if fit.kind in ("scratch", "finetuned")]
    for fit in judged:
        [winner] = [need for need in fit.needs if need.kind == "tune"]
        assert (winner.fold, winner.given["of"]) == (fit.fold, fit.kind)


@given(st.data())
def test_a_key_changes_with_whatever_a_fit_depends_on(data):
    fit = Fit("scratch", "penalty_cnn", 0, REAL, REAL, 1, "fold", '{"settings": {}}', 0.5)
    changes = {
        "kind": "forest", "method": "deepconvlstm", "seed": 1, "windows": "virtual", "folds": "styles", "fold": 2,
        "validation": "none", "settings": '{"settings": {"lr": 1}}', "share": 1.0,
        "needs": (Fit("pretrain", "penalty_cnn", 0, "pretraining"),),
    }  # fmt: skip
    name = data.draw(st.sampled_from(sorted(changes)))
    assert replace(fit, **{name: changes[name]}).key != fit.key
    assert replace(fit).key == fit.key


def test_units_are_windows_times_epochs_and_trees():
    every = windows()
    folds = {REAL: folds_by(every, every.subject.tolist(), "subjects", n_folds=3, seed=0, dataset="toy")}
    sides = {REAL: Part(every, every.classes)}
    scratch = Fit("scratch", "penalty_cnn", 0, REAL, REAL, 0, "fold", '{"settings": {"epochs": 5}}', 0.5)
    third = len(every) / 3
    assert units_of(scratch, sides, folds) == pytest.approx(0.5 * 5 * third)
    assert units_of(replace(scratch, validation="none"), sides, folds) == pytest.approx(0.5 * 5 * 2 * third)
    forest = Fit("forest", "random_forest", 0, REAL, REAL, 0, "fold", '{"settings": {"copies": 2, "n_trees": 7}}')
    assert units_of(forest, sides, folds) == pytest.approx(2 * third * 3 * 7)


class Peaked(ForestWithCopies):
    """Scores best with five copies, and notes who was looked at."""

    seen: ClassVar[list[tuple[WindowSet, ...]]] = []

    def fit(self, train, val, test):
        Peaked.seen.append((train, val, test))
        truth = np.eye(3)[test.targets(self.classes)]
        truth[: 3 * abs(self.copies - 5)] = np.roll(truth[: 3 * abs(self.copies - 5)], 1, axis=1)
        return truth


@pytest.mark.parametrize("pick_epoch", [True, False])
def test_the_search_starts_from_the_configuration_and_sees_its_own_people_only(pick_epoch):
    every, Peaked.seen = windows(), []
    train, judges = (every.take(np.flatnonzero(np.isin(every.subject, s))) for s in (["s0", "s1"], ["s2"]))
    learner = Peaked(every.classes, 0, 5, 4, AugmentSettings())
    found = tune_inside(learner, train, judges, n_trials=8, seed=0, pick_epoch=pick_epoch)
    assert len(found["trials"]) == 8
    assert found["trials"][0]["params"] == {"copies": 4, "variation": 1.0}
    assert found["macro_f1"] == max(t["macro_f1"] for t in found["trials"])
    assert abs(found["params"]["copies"] - 5) <= 1
    for fitted_on, val, test in Peaked.seen:
        assert fitted_on is train
        assert test is judges
        assert len(val) == (len(judges) if pick_epoch else 0)
    again = tune_inside(learner, train, judges, n_trials=8, seed=0, pick_epoch=pick_epoch)
    assert again == found


def test_searched_settings_reach_the_fit(tmp_path):
    base = PretrainSettings(lr=0.01, penalty_weight=0.5)
    params = {"lr_factor": 0.5, "variation": 2.0, "penalty_factor": 4.0}
    tuned = FromScratch(base, ("a",)).after(params).settings
    assert (tuned.lr, tuned.penalty_weight, tuned.augment.misalignment_deg) == (0.005, 2.0, 40)
    params = {"lr_factor": 2.0, "variation": 0.5, "schedule": "all", "encoder_lr_share": 0.3}
    fine = FineTuned(FinetuneSettings(), ("a",), tmp_path, 0).after(params).settings
    assert (fine.lr, fine.schedule, fine.encoder_lr_share, fine.augment.scale) == (0.002, "all", 0.3, 0.05)


def test_copies_for_the_forest_are_varied_anew_each_and_repeat():
    every = windows(n_subjects=1, n_trials=1)
    one, two = varied_copies(every, 2, AugmentSettings(), like=every, seed=0)
    assert one.label.tolist() == every.label.tolist()
    assert not np.allclose(one.x, every.x)
    assert not np.allclose(one.x, two.x)
    turned = AugmentSettings(misalignment_deg=20, scale=0)
    [copy] = varied_copies(every, 1, turned, like=every, seed=0)
    np.testing.assert_allclose(np.linalg.norm(copy.x, axis=2), np.linalg.norm(every.x, axis=2), rtol=1e-4)
    [again] = varied_copies(every, 1, turned, like=every, seed=0)
    np.testing.assert_array_equal(copy.x, again.x)


@pytest.fixture
def open_config(repo, monkeypatch):
    """The shipped configuration on open data; no clips are there, and windows are not planned."""
    monkeypatch.setattr(ablations, "clips_of", lambda _: type("Folder", (), {"folder": repo})())
    monkeypatch.setattr(ablations.prepare, "plan", lambda config: config.prepare)
    return lambda **changes: load_config(
        Config, repo / "configs" / "open.yaml", [f"{k}={v}" for k, v in changes.items()]
    )


def test_an_unknown_ablation_is_refused_with_the_names_there_are(open_config):
    with pytest.raises(UserError, match=r"`crossval.ablations` must be among .*penalty.*, but names magic"):
        ablate(open_config(), ("penalty", "magic"))


def test_every_shipped_ablation_can_be_taken_out_or_put_in(open_config):
    config = open_config()
    names = tuple(read_yaml(configs_folder() / "ablations.yaml"))
    assert {"penalty", "randomisation", "upsampling", "umafall_devices", "filter_jerk"} <= set(names)
    for one in ablate(config, names):
        assert one.variant.name.split()[1] in ("off", "on")
        assert one.config != config
        assert one.config.preparation.windows == config.preparation.windows
        assert (one.prepare is None) == (one.variant.pretraining == "pretraining")


def test_what_is_on_is_taken_out_and_what_is_off_is_put_in(open_config):
    [off] = ablate(open_config(**{"pretrain.penalty_weight": 0.7}), ("penalty",))
    [on] = ablate(open_config(**{"pretrain.penalty_weight": 0}), ("penalty",))
    assert (off.variant.name, off.variant.pretrain.penalty_weight) == ("penalty off", 0)
    assert on.variant.name == "penalty on"
    filters = open_config(**{"prepare.filters": "{rms: 5, jerk: null}"})
    [one] = ablate(filters, ("filter_rms",))
    assert one.variant.name == "filter_rms off"
    assert one.config.preparation.filters.rms is None
    [alone] = ablate(open_config(**{"prepare.filters": "null"}), ("filter_rms",))
    assert alone.variant.name == "filter_rms on"
    left = alone.config.preparation.filters.model_dump()
    assert [name for name in left if name not in ("splits", "sensors", "min_clips", "max_share") and left[name]] == [
        "rms"
    ]


def test_without_randomisation_nothing_is_varied(open_config):
    """Of whatever kind of variation there is: a new one must be named in `configs/ablations.yaml`."""
    kinds = {name: field.annotation is bool for name, field in AugmentSettings.model_fields.items()}
    all_on = "{" + ", ".join(f"{name}: {'true' if flag else 0.3}" for name, flag in kinds.items()) + "}"
    [one] = ablate(open_config(**{"pretrain.augment": all_on, "finetune.augment": all_on}), ("randomisation",))
    assert one.variant.name == "randomisation off"
    assert one.variant.pretrain.augment.none
    assert one.variant.finetune.augment.none


def test_an_ablation_must_leave_real_windows_alone(open_config, tmp_path, monkeypatch):
    (tmp_path / "ablations.yaml").write_text(
        "short: {what: x, off: {prepare: {windows: {length_frames: 10}}}, on: {prepare: {windows: {length_frames: 9}}}}"
    )
    config = open_config()
    monkeypatch.setattr(ablations, "configs_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"`short` .* but changes prepare\.windows"):
        ablate(config, ("short",))


def test_a_network_may_have_seeds_of_its_own():
    make = rows_of(virtual_splits=[], settings={"deepconvlstm": {"seeds": [5]}})
    seeds = {
        (r.experiment, r.method): list(r.fits)
        for r in make.table(known={"walking": ["walk"], "jogging": ["run"]}, styles=False)
    }
    assert {kind[1]: n for kind, n in seeds.items()} == {
        "penalty_cnn": [0, 1, 2], "deepconvlstm": [5], "random_forest": [0, 1, 2]
    }  # fmt: skip
    assert seeds["finetuned", "deepconvlstm"] == seeds["scratch", "deepconvlstm"] == [5]
    tuned = rows_of(virtual_splits=[], settings={"deepconvlstm": {"seeds": [5]}}, tune_trials=2)
    fits = every_fit(list(tuned.table(known={}, styles=False)))
    assert {fit.seed for fit in fits if fit.kind == "tune" and fit.method == "deepconvlstm"} == {5}


def test_a_network_that_was_not_finetuned_adds_up_the_names_of_a_class(tmp_path):
    shape = CnnSettings(widths=(8,), hidden=8)
    model = build_network(shape, n_channels=3, length_frames=LENGTH, n_classes=3).eval()
    card = card_for(windows(), ("run", "walk", "walk-back"), shape, "x")
    save_model(tmp_path / "model.pt", model, card)
    run, walk, back = predict(model, windows().x).T
    told = not_finetuned(tmp_path / "model.pt", windows(), [["walk", "walk-back"], ["run"]])
    np.testing.assert_allclose(told, np.stack([walk + back, run], axis=1), atol=1e-6)


def test_names_of_classes_that_are_not_there_are_refused():
    real, virtual = ("bending", "walking"), ("bending", "walk", "walk-back")
    assert _known(real, virtual, CrossvalSettings()) == {"bending": ["bending"]}
    assert _known(real, virtual, CrossvalSettings(known_as={"walking": ["walk", "walk-back"]})) == {
        "bending": ["bending"], "walking": ["walk", "walk-back"],
    }  # fmt: skip
    for known_as, name in (({"jogging": ["walk"]}, "jogging"), ({"walking": ["run"]}, "run")):
        with pytest.raises(UserError, match=f"unlike {name}"):
            _known(real, virtual, CrossvalSettings(known_as=known_as))
