"""What is fitted: copies for the forest, a network as it was pre-trained."""

import numpy as np
import pytest
import torch

from toy_windows import LENGTH, windows
from vimu.models.choice import build_network
from vimu.models.penalty_cnn import CnnSettings
from vimu.runtime.errors import UserError
from vimu.stages.crossval import _known
from vimu.training.augment import AugmentSettings
from vimu.training.checkpoint import save_model
from vimu.training.fit import card_for
from vimu.training.loop import predict
from vimu.training.settings import PretrainSettings
from vimu.tuning.experiments import CrossvalSettings
from vimu.tuning.learners import network, not_finetuned, one_thread, varied_copies


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


def test_the_number_of_threads_changes_no_digit():
    every = windows()
    settings = PretrainSettings(epochs=1, model=CnnSettings(widths=(64,), hidden=64), penalty_weight=0)
    before, told = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            told.append(network(every, every, every, classes=every.classes, settings=settings))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(told[0], told[1])
    np.testing.assert_array_equal(told[0], told[2])


def test_a_fit_that_fails_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="no such"), one_thread():
        raise ValueError("no such")
    assert torch.get_num_threads() == before
