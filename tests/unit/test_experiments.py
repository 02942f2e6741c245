"""The experiments' settings, rows and fits: what is shared, what a fit depends on, what is searched."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toy_windows import windows
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.stages.budget import units_of
from vimu.stages.crossval_parts import Part
from vimu.training.augment import AugmentSettings
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.experiments import CrossvalSettings
from vimu.tuning.fits import Fit
from vimu.tuning.folds import folds_by
from vimu.tuning.nested import FineTuned, ForestWithCopies, FromScratch, tune_inside
from vimu.tuning.rows import REAL, Rows, Variant, every_fit
from vimu.windows.schema import WindowSet


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
