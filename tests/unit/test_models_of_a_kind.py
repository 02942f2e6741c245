"""What is particular to one kind of model."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from sklearn.ensemble import RandomForestClassifier

from vimu.models.deepconvlstm import DeepConvLstm
from vimu.models.draws import Draws, window_keys
from vimu.models.forest import Forest, forest_probabilities, window_statistics
from vimu.models.penalty_cnn import PenaltyCnn
from vimu.models.settings import CnnSettings, DeepConvLstmSettings, NetworkSettings
from vimu.runtime.errors import UserError


def test_deepconvlstm_has_the_published_weights():
    """For Opportunity's 113 channels and 18 classes in windows of 24 frames, as in the paper's table 3."""
    model = DeepConvLstm(113, 24, 18, DeepConvLstmSettings(kind="deepconvlstm"))
    sizes = [sum(p.numel() for p in block.parameters()) for block in [*model.convolutions, *model.head]]
    convolutions = [64 * 5 + 64] + 3 * [64 * 64 * 5 + 64]
    lstm = [4 * 128 * (64 * 113 + 128 + 2), 4 * 128 * (128 + 128 + 2)]
    assert sizes == [*convolutions, *lstm, 128 * 18 + 18]


def test_deepconvlstm_reads_the_class_off_the_last_step():
    """Convolutions leave L - 16 steps; no gradient may skip the last, and all frames take part in it."""
    torch.manual_seed(0)
    model = DeepConvLstm(3, 24, 4, DeepConvLstmSettings(kind="deepconvlstm", filters=4, units=8))
    x = torch.randn(2, 24, 3, requires_grad=True)
    steps = []
    model.lstm[1].register_forward_hook(lambda _, __, out: steps.append(out[0]))
    logits = model(x)
    assert steps[0].shape == (2, 8, 8)
    torch.testing.assert_close(logits, model.last(steps[0][:, -1]))
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert (gradient.abs().sum(dim=(0, 2)) > 0).all()


def test_deepconvlstm_convolves_each_channel_by_itself():
    model = DeepConvLstm(3, 24, 4, DeepConvLstmSettings(kind="deepconvlstm", filters=4, units=8))
    maps = []
    model.convolution[-1].register_forward_hook(lambda _, __, out: maps.append(out))
    x = torch.randn(1, 24, 3)
    moved = x.clone()
    moved[..., 1] += 1
    model(x), model(moved)
    changed = (maps[0] != maps[1]).any(dim=2).any(dim=1)[0]
    assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize("n", [1, 16])
def test_deepconvlstm_needs_more_frames_than_its_filters_take(n):
    with pytest.raises(UserError, match=f"must be at least 17 frames, but are {n}"):
        DeepConvLstm(3, n, 2, DeepConvLstmSettings(kind="deepconvlstm"))


def test_dropout_is_by_window_and_only_where_draws_are_given():
    draws = Draws(torch.from_numpy(window_keys("abcdef")))
    x = torch.randn(6, 24, 3)
    torch.manual_seed(0)
    for model in (
        PenaltyCnn(3, 4, CnnSettings(widths=(8,))),
        DeepConvLstm(3, 24, 4, DeepConvLstmSettings(kind="deepconvlstm", filters=4, units=8)),
    ):
        whole = model(x, draws)
        assert not torch.allclose(whole, model(x))
        torch.testing.assert_close(model.train()(x), model.eval()(x))
        torch.testing.assert_close(torch.cat([model(x[:2], Draws(draws.key[:2])), model(x[2:], Draws(draws.key[2:]))]),
                                   whole)  # fmt: skip


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_forest_says_what_scikit_learns_says(n_classes):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 15, 3)).astype(np.float32), rng.integers(0, n_classes, 120)
    other = rng.normal(size=(700, 15, 3)).astype(np.float32)
    wanted = RandomForestClassifier(30, random_state=4, class_weight="balanced_subsample").fit(window_statistics(x), y)
    forest = Forest(n_classes)
    forest.fit(x, y, n_trees=30, seed=4)
    np.testing.assert_allclose(forest.predict_proba(other), wanted.predict_proba(window_statistics(other)), atol=1e-12)


def test_the_forest_gives_absent_classes_nothing():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2 * 2
    x = (rng.normal(size=(60, 20, 3)) + y[:, None, None]).astype(np.float32)
    p = forest_probabilities(x, y, x, n_classes=4, seed=0, n_trees=20)
    assert (np.argmax(p, axis=1) == y).mean() > 0.95
    assert p[:, [1, 3]].max() == 0


def test_a_forest_that_never_comes_to_a_leaf_is_refused():
    forest = Forest(2)
    forest.fit(
        np.random.default_rng(0).normal(size=(20, 5, 1)).astype(np.float32), np.arange(20) % 2, n_trees=2, seed=0
    )
    state = forest.state_dict()
    state["left"] = torch.zeros_like(state["left"])
    with pytest.raises(ValueError, match="must come after them"):
        Forest(2).load_state_dict(state)


def test_the_configuration_chooses_by_kind_and_takes_the_cnn_without_one():
    adapter = TypeAdapter(NetworkSettings)
    assert adapter.validate_python({"widths": [4]}) == CnnSettings(widths=(4,))
    assert adapter.validate_python({"kind": "deepconvlstm"}).units == 128
    for wrong, said in (
        ({"kind": "random_forest"}, "penalty_cnn"), ({"kind": "deepconvlstm", "widths": [4]}, "widths"),
        ({"kernel": 4}, "must be odd"),
    ):  # fmt: skip
        with pytest.raises(ValidationError, match=said):
            adapter.validate_python(wrong)
