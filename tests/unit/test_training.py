"""Networks and loops: the penalty, the batches, the variation, the checkpoint."""

import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vimu.contracts import Rejection
from vimu.models.forest import forest_probabilities
from vimu.models.penalty_cnn import CnnSettings, PenaltyCnn
from vimu.training.augment import AugmentSettings, augment, layout_of, random_turns
from vimu.training.batches import epoch_groups, rank_rows
from vimu.training.checkpoint import load_model, save_model, weights_sha256
from vimu.training.fit import finetune, fit_from_scratch
from vimu.training.loop import LossNotFiniteError, Objective, Shard, predict, train_epoch
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

CHANNELS = channel_names("sensor_acc", ["head"])
SMALL = CnnSettings(widths=(8, 16), hidden=16)
NO_VARIATION = AugmentSettings(misalignment_deg=0, scale=0)


def windows(n=96, n_classes=3, length=20, seed=0) -> WindowSet:
    """Classes that differ in frequency: learnable, not trivial."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    t = np.arange(length) / 20
    phase = rng.uniform(0, 6.28, (n, 1, 1))
    x = np.sin(2 * np.pi * (y[:, None, None] + 1) * t[None, :, None] + phase + np.arange(3)) + rng.normal(
        0, 0.3, (n, length, 3)
    )
    label = np.array([f"c{i}" for i in y])
    text = np.array([f"w{i:03d}" for i in range(n)])
    x, one = x.astype(np.float32), np.ones(n, np.float32)
    return WindowSet(x, label, text, text, np.array(["d"] * n), text, CHANNELS, 20.0, "sensor_acc", one)


def test_without_penalty_it_is_the_plain_cnn_bit_for_bit():
    """The same seed with lambda = 0 gives the weights of a network that never had a decoder."""

    def train(strip_decoder):
        torch.manual_seed(0)
        model = PenaltyCnn(3, 20, 3, SMALL)
        objective = Objective(model, penalty_weight=0.0, class_weight=torch.ones(3))
        if strip_decoder:
            model.decoder = torch.nn.Identity()
        optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-3)
        data = windows()
        rows = rank_rows(len(data), rank=0, world=1, seed=0)
        shard = Shard(torch.from_numpy(data.x[rows]), torch.from_numpy(data.targets(data.classes)[rows]))
        for epoch in range(3):
            train_epoch(
                objective, optimizer, shard, batch_size=32, noise_std=None, seed=0, epoch=epoch,
                layout=layout_of(CHANNELS), variation=NO_VARIATION,
            )  # fmt: skip
        state = {k: v for k, v in model.state_dict().items() if not k.startswith("decoder")}
        return {k: v.numpy().tobytes() for k, v in state.items()}

    assert train(strip_decoder=True) == train(strip_decoder=False)


def test_the_penalty_is_the_error_of_rebuilding_the_clean_window():
    torch.manual_seed(0)
    model = PenaltyCnn(3, 20, 3, SMALL).eval()
    x = torch.randn(4, 20, 3)
    noise = torch.randn(4, 20, 3) * 0.5
    rebuilt = model.decoder(model.encode(x + noise))[..., :20]
    wanted = ((rebuilt - x.transpose(1, 2)) ** 2).mean()
    torch.testing.assert_close(model.penalty(x, noise), wanted)


@pytest.mark.parametrize("length", [20, 37, 60, 80])
def test_decoder_gives_back_every_frame_of_any_length(length):
    model = PenaltyCnn(5, length, 2, CnnSettings(widths=(8, 8, 8)))
    x = torch.randn(2, length, 5)
    assert model.decoder(model.encode(x)).shape[-1] >= length
    assert model.penalty(x, torch.zeros_like(x)).isfinite()


@given(n=st.integers(1, 300), seed=st.integers(0, 20), epoch=st.integers(0, 5))
def test_global_batches_do_not_depend_on_the_number_of_workers(n, seed, epoch):
    def batches(world):
        rows = [rank_rows(n, rank=r, world=world, seed=seed) for r in range(world)]
        groups = epoch_groups(len(rows[0]), batch_size=16, seed=seed, epoch=epoch)
        return [sorted(np.concatenate([r[g].ravel() for r in rows]).tolist()) for g in groups]

    one = batches(1)
    assert one == batches(2) == batches(4) == batches(8)
    assert {row for batch in one for row in batch} == set(range(n))


def test_ranks_hold_different_windows():
    rows = [set(rank_rows(80, rank=r, world=2, seed=0).ravel().tolist()) for r in range(2)]
    assert not rows[0] & rows[1]
    assert len(rows[0]) == len(rows[1]) == 40


def test_training_overfits_a_few_windows_and_repeats_by_seed():
    data = windows(32)
    settings = PretrainSettings(
        model=SMALL, epochs=60, batch_size=32, lr=5e-3, patience_epochs=60, augment=NO_VARIATION
    )
    first = fit_from_scratch(data, data, data.classes, settings, trained_on="d")
    assert first.best_val_macro_f1 > 0.95
    again = fit_from_scratch(data, data, data.classes, settings, trained_on="d")
    assert weights_sha256(first.model) == weights_sha256(again.model)


def test_prediction_does_not_depend_on_who_shares_the_batch():
    data = windows(20)
    torch.manual_seed(0)
    model = PenaltyCnn(3, 20, 3, SMALL)
    np.testing.assert_allclose(predict(model, data.x), predict(model, data.x, batch_size=3), atol=1e-6)


def test_head_only_leaves_the_convolutions_alone(tmp_path):
    data = windows()
    small = PretrainSettings(model=SMALL, epochs=2, batch_size=32)
    before = fit_from_scratch(data, data, data.classes, small, trained_on="d")
    save_model(tmp_path / "m.pt", before.model, before.card)
    other = WindowSet(**{**data.__dict__, "label": np.array([f"k{i % 4}" for i in range(len(data))])})

    def encoder_after(schedule):
        settings = FinetuneSettings(schedule=schedule, epochs=2, batch_size=32)
        after = finetune(tmp_path / "m.pt", other, other, other.classes, settings, seed=0, trained_on="d")
        assert after.model.n_classes == 4
        return [p.detach().numpy().tobytes() for p in after.model.encoder.parameters()]

    original = [p.detach().numpy().tobytes() for p in before.model.encoder.parameters()]
    assert encoder_after("head") == original
    assert encoder_after("all") != original


def test_a_loss_that_is_no_number_stops_before_the_step():
    model = PenaltyCnn(3, 20, 3, SMALL)
    objective = Objective(model, penalty_weight=0.0, class_weight=torch.ones(3))
    before = weights_sha256(model)
    shard = Shard(torch.full((2, 8, 20, 3), float("nan")), torch.zeros(2, 8, dtype=torch.long))
    with pytest.raises(LossNotFiniteError, match="epoch 4, step 0, rank 0"):
        train_epoch(
            objective, torch.optim.AdamW(model.parameters()), shard, batch_size=16, noise_std=None, seed=0, epoch=4,
            layout=layout_of(CHANNELS), variation=NO_VARIATION,
        )  # fmt: skip
    assert weights_sha256(model) == before


def test_a_model_comes_back_as_it_was(tmp_path):
    data = windows()
    fitted = fit_from_scratch(data, data, data.classes, PretrainSettings(model=SMALL, epochs=1), trained_on="d")
    save_model(tmp_path / "m.pt", fitted.model, fitted.card)
    model, card = load_model(tmp_path / "m.pt")
    assert card == fitted.card
    np.testing.assert_array_equal(predict(model, data.x), predict(fitted.model, data.x))


def test_a_hostile_model_file_executes_nothing(tmp_path):
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    torch.save({"format": "vimu.model.1", "card": Hostile()}, tmp_path / "m.pt")
    with pytest.raises(Rejection, match="unsafe_pickle"):
        load_model(tmp_path / "m.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(Rejection):
        load_model(tmp_path / "p.pt")
    assert not canary.exists()


def test_misalignment_turns_vectors_and_leaves_their_length():
    names = channel_names("sensor_acc_gyr", ["head", "waist"])
    x = torch.randn(6, 10, 12)
    y = augment(x, layout_of(names), AugmentSettings(misalignment_deg=30, scale=0), torch.Generator().manual_seed(0))
    a, b = x.view(6, 10, 2, 2, 3), y.view(6, 10, 2, 2, 3)
    torch.testing.assert_close(a.norm(dim=-1), b.norm(dim=-1))
    angles = torch.acos(torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)).rad2deg()
    assert 1 < angles.max() <= 30.01
    # acc and gyr of a sensor turn together: angles between them stay
    torch.testing.assert_close((a[..., 0, :] * a[..., 1, :]).sum(-1), (b[..., 0, :] * b[..., 1, :]).sum(-1))


def test_in_the_world_frame_misalignment_moves_orientation_only():
    names = channel_names("world_acc_ori", ["head"])
    x = torch.cat([torch.randn(4, 5, 3), torch.eye(3).flatten().expand(4, 5, 9)], dim=2)
    y = augment(x, layout_of(names), AugmentSettings(misalignment_deg=20, scale=0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(x[..., :3], y[..., :3])
    turned = y[..., 3:].view(4, 5, 3, 3)
    torch.testing.assert_close(turned @ turned.transpose(-1, -2), torch.eye(3).expand(4, 5, 3, 3))
    assert not torch.allclose(x[..., 3:], y[..., 3:])


def test_a_heading_leaves_the_vertical_alone():
    names = channel_names("world_acc_ori", ["head"])
    x = torch.cat([torch.randn(4, 5, 3), torch.eye(3).flatten().expand(4, 5, 9)], dim=2)
    settings = AugmentSettings(misalignment_deg=0, scale=0, heading=True)
    y = augment(x, layout_of(names), settings, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x[..., 1], y[..., 1])
    torch.testing.assert_close(x[..., :3].norm(dim=-1), y[..., :3].norm(dim=-1))
    assert not torch.allclose(x[..., 0], y[..., 0])


def test_random_turns_are_rotations_within_the_angle():
    turns = random_turns(200, 0.5, torch.Generator().manual_seed(1))
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    angle = torch.acos(((turns.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    assert 0.3 < angle.max() <= 0.5001


def test_the_forest_gives_absent_classes_nothing():
    data = windows(60, n_classes=2)
    y = data.targets(["c0", "c1", "c2"])
    p = forest_probabilities(data.x, y, data.x, n_classes=3, seed=0, n_trees=20)
    assert (np.argmax(p, axis=1) == y).mean() > 0.95
    assert p[:, 2].max() == 0
