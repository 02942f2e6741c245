"""Loops: the penalty, the batches, what windows draw, the variation, the model file, fine-tuning schedules."""

import os
import pickle
from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from vimu.contracts import Rejection
from vimu.models.draws import Draws, dropout, window_keys
from vimu.models.penalty_cnn import MirroredDecoder, PenaltyCnn
from vimu.models.settings import CnnSettings, DeepConvLstmSettings
from vimu.training import fit
from vimu.training.augment import augment, layout_of, random_turns
from vimu.training.batches import channel_statistics, class_weights, epoch_groups, rank_rows, shard_of
from vimu.training.checkpoint import load_model, save_model, weights_sha256
from vimu.training.fit import finetune, fit_from_scratch, objective_for
from vimu.training.loop import EpochPlan, LossNotFiniteError, train_epoch
from vimu.training.schedules import blocks_of
from vimu.training.settings import AugmentSettings, FinetuneSettings, PretrainSettings
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


def epochs(objective, data, n=3, *, variation=NO_VARIATION, batch_size=32):
    """Train some epochs; losses and the weights of the network."""
    shards = [shard_of(data, data.classes, rank=0, world=1, seed=0)]
    plan = EpochPlan(batch_size, 0, layout_of(CHANNELS), variation)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    return [train_epoch(objective, optimizer, shards, plan, epoch=epoch, std=objective.model.std) for epoch in range(n)]


def test_without_penalty_it_is_the_plain_cnn_bit_for_bit(monkeypatch):
    """lambda = 0: the weights of a network and a loop that never heard of a decoder, and nothing is rebuilt."""
    data = windows()
    settings = PretrainSettings(model=SMALL, penalty_weight=0)

    def no_penalty(*_):
        raise AssertionError("the decoder is computed")

    monkeypatch.setattr(MirroredDecoder, "beside", no_penalty)
    penalised = objective_for(data, data.classes, settings)
    assert penalised.decoder is None
    epochs(penalised, data)

    torch.manual_seed(0)
    plain = PenaltyCnn(3, 3, SMALL)
    plain.standardize(*channel_statistics(data.x))
    weight = class_weights(data.targets(data.classes), 3)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3)
    shard = shard_of(data, data.classes, rank=0, world=1, seed=0)
    for epoch in range(3):
        for groups in epoch_groups(len(shard.x), batch_size=32, seed=0, epoch=epoch):
            x, y = shard.x[groups].flatten(0, 1), shard.y[groups].flatten()
            draws = Draws.of_epoch(shard.key[groups].flatten(), seed=0, epoch=epoch)
            each = torch.nn.functional.cross_entropy(plain(x, draws.of("dropout")), y, weight, reduction="none")
            optimizer.zero_grad()
            (each.sum() / weight[y].sum()).backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 5.0)
            optimizer.step()
    assert weights_sha256(plain) == weights_sha256(penalised.model)


def test_with_a_penalty_the_network_begins_the_same_and_its_file_has_no_decoder(tmp_path):
    data = windows()
    with_penalty = objective_for(data, data.classes, PretrainSettings(model=SMALL, penalty_weight=0.5))
    without = objective_for(data, data.classes, PretrainSettings(model=SMALL, penalty_weight=0))
    assert weights_sha256(with_penalty.model) == weights_sha256(without.model)
    epochs(with_penalty, data)
    epochs(without, data)
    assert weights_sha256(with_penalty.model) != weights_sha256(without.model)
    fitted = fit_from_scratch(data, data, data.classes, PretrainSettings(model=SMALL, epochs=1), trained_on="d")
    save_model(tmp_path / "m.pt", fitted.model, fitted.card)
    plain = {name for name, _ in PenaltyCnn(3, 3, SMALL).state_dict().items()}
    assert set(torch.load(tmp_path / "m.pt", weights_only=True)["state"]) == plain


def test_the_penalty_is_the_error_of_rebuilding_the_clean_window():
    torch.manual_seed(0)
    model, decoder = PenaltyCnn(3, 3, SMALL), MirroredDecoder(3, 20, SMALL)
    x = torch.randn(4, 20, 3)
    noise = torch.randn(4, 20, 3) * 0.5
    rebuilt = decoder.layers(model.encoder((x + noise).transpose(1, 2)))
    logits, penalty = decoder.beside(model, x, noise, None)
    torch.testing.assert_close(penalty, ((rebuilt - x.transpose(1, 2)) ** 2).mean())
    torch.testing.assert_close(logits, model(x))


def test_only_the_penalty_sees_the_noise():
    """However loud it is: with lambda next to nothing, logits and gradients of the classifier stay."""
    data = windows(16)

    def losses(noise_std):
        settings = PretrainSettings(model=SMALL, penalty_weight=1e-30, noise_std=noise_std)
        return epochs(objective_for(data, data.classes, settings), data, n=1)

    assert losses(0.0) == losses(1e3)


@pytest.mark.parametrize("length", [20, 37, 60, 80])
@pytest.mark.parametrize("kernel", [3, 5, 9])
def test_the_decoder_gives_back_every_frame_of_any_length(length, kernel):
    settings = CnnSettings(widths=(8, 8, 8), kernel=kernel)
    model, decoder = PenaltyCnn(5, 2, settings), MirroredDecoder(5, length, settings)
    x = torch.randn(2, length, 5)
    assert decoder.layers(model.encoder(x.transpose(1, 2))).shape == (2, 5, length)


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("penalty_weight", [0.0, 0.5])
def test_the_mean_gradient_of_the_ranks_is_that_of_one_worker(world, penalty_weight):
    """What DDP does with them: so no draw and no statistic belongs to a rank. Classes are unbalanced on purpose."""
    data = windows(44)
    label = np.array(["c0"] * 30 + ["c1"] * 12 + ["c2"] * 2)
    data = WindowSet(**{**data.__dict__, "label": label})
    variation = AugmentSettings(misalignment_deg=45, scale=0.2, noise=0.3)
    settings = PretrainSettings(model=SMALL, penalty_weight=penalty_weight)

    class Kept(torch.optim.SGD):
        """Steps nowhere, and keeps the gradients of the one step."""

        def step(self):
            self.kept = [p.grad.clone() for p in self.param_groups[0]["params"]]

    def of_rank(rank, n):
        objective = objective_for(data, data.classes, settings)
        shard = shard_of(data, data.classes, rank=rank, world=n, seed=0)
        plan = EpochPlan(48, 0, layout_of(CHANNELS), variation, clip_norm=1e9)
        optimizer = Kept(objective.parameters(), lr=0.0)
        loss = train_epoch(objective, optimizer, [shard], plan, epoch=3, std=objective.model.std)
        return loss, optimizer.kept

    loss, gradients = of_rank(0, 1)
    parts = [of_rank(rank, world) for rank in range(world)]
    assert np.mean([part for part, _ in parts]) == pytest.approx(loss, rel=1e-6)
    for i, gradient in enumerate(gradients):
        torch.testing.assert_close(
            torch.stack([part[i] for _, part in parts]).mean(dim=0), gradient, rtol=1e-4, atol=1e-6
        )


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


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Networks of both kinds, trained a little."""
    folder, data = tmp_path_factory.mktemp("pretrained"), windows()
    for kind, model in (("penalty_cnn", SMALL), ("deepconvlstm", DeepConvLstmSettings(kind="deepconvlstm", filters=4,
                                                                                     units=8))):  # fmt: skip
        settings = PretrainSettings(model=model, epochs=1, batch_size=32)
        fitted = fit_from_scratch(data, data, data.classes, settings, trained_on="d")
        save_model(folder / f"{kind}.pt", fitted.model, fitted.card)
    return folder


@pytest.mark.parametrize("kind", ["penalty_cnn", "deepconvlstm"])
@pytest.mark.parametrize("schedule", ["head", "gradual", "discriminative", "all"])
def test_each_schedule_trains_what_it_says(pretrained, kind, schedule, monkeypatch):
    rising = count()
    monkeypatch.setattr(fit, "scores", lambda *_: {"macro_f1": next(rising)})  # so that the last epoch is kept
    data = windows()
    other = WindowSet(**{**data.__dict__, "label": np.array([f"k{i % 4}" for i in range(len(data))])})
    before, _ = load_model(pretrained / f"{kind}.pt")
    settings = FinetuneSettings(schedule=schedule, epochs=2, batch_size=32, unfreeze_every_epochs=1)
    after = finetune(pretrained / f"{kind}.pt", other, other, other.classes, settings, seed=0, trained_on="d").model
    assert after.n_classes == 4
    moved = [
        any(not torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
        for a, b in zip(before.convolutions, after.convolutions, strict=True)
    ]
    last_only = [False] * (len(moved) - 1) + [True]
    assert moved == {"head": [False] * len(moved), "gradual": last_only}.get(schedule, [True] * len(moved))


def test_rates_fall_with_depth_and_blocks_thaw_from_the_output_back():
    model = PenaltyCnn(3, 3, CnnSettings(widths=(8, 8, 8)))

    def of(**changes):
        return [(b.block, b.lr, b.from_epoch) for b in blocks_of(model, FinetuneSettings(lr=0.01, **changes))]

    first, second, third = model.convolutions
    assert of(schedule="head") == [(model.classifier, 0.01, 0)]
    assert of(schedule="gradual", unfreeze_every_epochs=4) == [
        (model.classifier, 0.01, 0), (third, 0.01, 4), (second, 0.01, 8), (first, 0.01, 12),
    ]  # fmt: skip
    rates = [lr for _, lr, _ in of(schedule="discriminative", depth_decay=0.5)]
    assert rates == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
    assert [lr for _, lr, _ in of(schedule="all", encoder_lr_share=0.1)] == pytest.approx([0.01, 0.001, 0.001, 0.001])


def test_fine_tuning_takes_twenty_epochs_unless_told_otherwise():
    assert FinetuneSettings().epochs <= 20


@pytest.mark.fault(19)
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e30])
def test_a_loss_that_is_no_number_stops_before_the_step_and_names_the_batch(broken):
    """1e30 is a number, but its square is none: the penalty overflows."""
    data = windows(16)
    data.x[5, 3, 1] = 0 if np.isfinite(broken) else broken
    objective = objective_for(data, data.classes, PretrainSettings(model=SMALL))
    data.x[5, 3, 1] = broken
    before = weights_sha256(objective.model)
    with pytest.raises(LossNotFiniteError, match=r"epoch 0, step 0: 16 windows, .*") as caught:
        epochs(objective, data)
    assert weights_sha256(objective.model) == before
    assert str(caught.value).endswith("of them not finite: w005") == (not np.isfinite(broken))


@pytest.mark.fault(19)
def test_a_loss_that_is_infinite_on_one_rank_shows_in_its_gradient():
    """The others learn of it when gradients are averaged, though the gradient of an overflow may be a number."""
    data = windows(8)
    objective = objective_for(data, data.classes, PretrainSettings(model=SMALL))
    objective.forward = lambda *_: sum(p.sum() for p in objective.parameters()) + float("inf")
    with pytest.raises(LossNotFiniteError, match="loss is inf, its gradient nan"):
        epochs(objective, data)


@pytest.mark.fault(19)
def test_a_gradient_that_overflows_beneath_a_loss_that_is_a_number_stops_before_the_step():
    """Shortened to the length that is wanted, it would make all weights NaN."""
    data = windows(8)
    objective = objective_for(data, data.classes, PretrainSettings(model=SMALL))
    objective.forward = lambda *_: sum((p - p.detach()).sum() for p in objective.parameters()) * 1e30 * 1e30
    with pytest.raises(LossNotFiniteError, match=r"loss is 0\.0, its gradient inf"):
        epochs(objective, data)


def test_long_gradients_are_shortened():
    data = windows(16)
    shard = shard_of(data, data.classes, rank=0, world=1, seed=0)
    objective = objective_for(data, data.classes, PretrainSettings(model=SMALL))
    lengths = []

    class Measured(torch.optim.SGD):
        def step(self):
            lengths.append(torch.stack([p.grad.norm() for p in self.param_groups[0]["params"]]).norm().item())

    plan = EpochPlan(16, 0, layout_of(CHANNELS), NO_VARIATION, clip_norm=1e-3)
    train_epoch(objective, Measured(objective.parameters()), [shard], plan, epoch=0, std=objective.model.std)
    assert lengths == pytest.approx([1e-3], rel=1e-3)


def test_bfloat16_trains_to_about_the_same_loss():
    data = windows(32)
    settings = PretrainSettings(model=SMALL, epochs=3, batch_size=32)
    fp32, bf16 = (
        fit_from_scratch(data, data, data.classes, settings.model_copy(update={"precision": p}), trained_on="d")
        for p in ("auto", "bf16")
    )
    assert [e.loss for e in bf16.log] == pytest.approx([e.loss for e in fp32.log], rel=0.02)
    assert bf16.log != fp32.log
    assert {t.dtype for t in bf16.model.state_dict().values()} == {torch.float32}


@pytest.mark.fault(35)
def test_a_hostile_model_file_executes_nothing(tmp_path):
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    torch.save({"format": "vimu.model.2", "card": Hostile()}, tmp_path / "m.pt")
    with pytest.raises(Rejection, match="unsafe_pickle"):
        load_model(tmp_path / "m.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(Rejection):
        load_model(tmp_path / "p.pt")
    assert not canary.exists()


def test_a_model_of_another_format_is_refused(tmp_path):
    torch.save({"format": "vimu.model.1", "card": {}, "state": {}}, tmp_path / "m.pt")
    with pytest.raises(Rejection, match=r"is of format vimu\.model\.1, not vimu\.model\.2: train again"):
        load_model(tmp_path / "m.pt")


def draws(n, seed=0) -> Draws:
    return Draws.of_epoch(torch.from_numpy(window_keys(f"w{i}" for i in range(n))), seed=seed, epoch=0)


def test_misalignment_turns_vectors_and_leaves_their_length():
    names = channel_names("sensor_acc_gyr", ["head", "waist"])
    x = torch.randn(6, 10, 12)
    y = augment(
        x, layout_of(names), AugmentSettings(misalignment_deg=30, scale=0), draws(len(x)), std=x.std(dim=(0, 1))
    )
    a, b = x.view(6, 10, 2, 2, 3), y.view(6, 10, 2, 2, 3)
    torch.testing.assert_close(a.norm(dim=-1), b.norm(dim=-1))
    angles = torch.acos(torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1)).rad2deg()
    assert 1 < angles.max() <= 30.01
    # acc and gyr of a sensor turn together: angles between them stay
    torch.testing.assert_close((a[..., 0, :] * a[..., 1, :]).sum(-1), (b[..., 0, :] * b[..., 1, :]).sum(-1))


def test_in_the_world_frame_misalignment_moves_orientation_only():
    names = channel_names("world_acc_ori", ["head"])
    x = torch.cat([torch.randn(4, 5, 3), torch.eye(3).flatten().expand(4, 5, 9)], dim=2)
    y = augment(
        x, layout_of(names), AugmentSettings(misalignment_deg=20, scale=0), draws(len(x)), std=x.std(dim=(0, 1))
    )
    torch.testing.assert_close(x[..., :3], y[..., :3])
    turned = y[..., 3:].view(4, 5, 3, 3)
    torch.testing.assert_close(turned @ turned.transpose(-1, -2), torch.eye(3).expand(4, 5, 3, 3))
    assert not torch.allclose(x[..., 3:], y[..., 3:])


def test_a_heading_leaves_the_vertical_alone():
    names = channel_names("world_acc_ori", ["head"])
    x = torch.cat([torch.randn(4, 5, 3), torch.eye(3).flatten().expand(4, 5, 9)], dim=2)
    settings = AugmentSettings(misalignment_deg=0, scale=0, heading=True)
    y = augment(x, layout_of(names), settings, draws(len(x)), std=x.std(dim=(0, 1)))
    torch.testing.assert_close(x[..., 1], y[..., 1])
    torch.testing.assert_close(x[..., :3].norm(dim=-1), y[..., :3].norm(dim=-1))
    assert not torch.allclose(x[..., 0], y[..., 0])


def test_white_noise_counts_in_the_deviations_it_is_given():
    """And not in those of the batch, which would differ from rank to rank."""
    x = torch.zeros(64, 10, 3)
    settings = AugmentSettings(misalignment_deg=0, scale=0, noise=0.5)
    y = augment(x, layout_of(CHANNELS), settings, draws(64), std=torch.tensor([1.0, 2.0, 4.0]))
    torch.testing.assert_close(y.std(dim=(0, 1)), torch.tensor([0.5, 1.0, 2.0]), rtol=0.1, atol=0)


def test_random_turns_are_rotations_within_the_angle():
    turns = random_turns(draws(100), 2, 0.5).flatten(0, 1)
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turns) > 0).all()
    angle = torch.acos(((turns.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    assert 0.3 < angle.max() <= 0.5001


@given(order=st.permutations(range(12)), split=st.integers(1, 11), shape=st.sampled_from([(1,), (7, 3), (4, 4)]))
def test_what_a_window_draws_does_not_depend_on_its_neighbours(order, split, shape):
    every = draws(12)
    parts = [Draws(every.key[list(rows)]) for rows in (order[:split], order[split:])]
    for kind in ("uniform", "normal"):
        whole = getattr(every.of("x"), kind)(*shape)
        apart = torch.cat([getattr(part.of("x"), kind)(*shape) for part in parts])
        torch.testing.assert_close(apart, whole[list(order)], rtol=1e-6, atol=1e-6)


def test_draws_differ_by_seed_epoch_window_and_purpose():
    key = torch.from_numpy(window_keys(["a", "b"]))
    some = [
        Draws.of_epoch(key, seed=seed, epoch=epoch).of(purpose).uniform(4)
        for seed in (0, 1) for epoch in (0, 1) for purpose in ("x", "y")
    ]  # fmt: skip
    rows = torch.cat(some)
    assert len({tuple(row.tolist()) for row in rows}) == len(rows) == 16


def test_draws_are_uniform_and_normal():
    """Of 200,000 numbers each; windows' names differ by one letter, as they do in a table."""
    some = draws(2000)
    uniform, normal = some.of("u").uniform(100), some.of("n").normal(99)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert kstest(uniform.flatten(), "uniform").pvalue > 1e-3
    assert kstest(normal.flatten(), "norm").pvalue > 1e-3
    for numbers in (uniform, normal):
        assert abs(np.corrcoef(numbers[:-1].flatten(), numbers[1:].flatten())[0, 1]) < 0.01
        assert abs(np.corrcoef(numbers[:, :-1].flatten(), numbers[:, 1:].flatten())[0, 1]) < 0.01


def test_dropout_keeps_the_mean_and_drops_nothing_without_draws():
    x = torch.ones(500, 200)
    dropped = dropout(x, 0.3, draws(500))
    assert (dropped == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean() == pytest.approx(1, abs=0.02)
    assert dropout(x, 0.3, None) is x


def test_splitmix64_is_the_published_one():
    """First outputs for seed 1234567. Source: the reference in Java's SplittableRandom and Vigna's splitmix64.c."""
    bits = Draws(torch.tensor([1234567]))._bits(3)[0]
    assert [n % 2**64 for n in bits.tolist()] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
