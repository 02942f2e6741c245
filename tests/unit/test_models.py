"""One suite for every kind of model: what training, evaluation and model files take for granted."""

import numpy as np
import pytest
import torch

from vimu.contracts import Rejection
from vimu.metrics import scores
from vimu.models.network import Network
from vimu.models.settings import ForestSettings, settings_of
from vimu.training.checkpoint import load_model, save_model, weights_sha256
from vimu.training.fit import fit_forest, fit_from_scratch
from vimu.training.loop import predict
from vimu.training.settings import AugmentSettings, PretrainSettings
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

KINDS = {
    "penalty_cnn": {"widths": [8, 16], "hidden": 16},
    "penalty_cnn, deep and odd": {"widths": [7, 9, 11, 6], "hidden": 16, "kernel": 3},
    "penalty_cnn, statistics": {"widths": [8, 16], "hidden": 16, "statistics": True},
    "deepconvlstm": {"kind": "deepconvlstm", "filters": 8, "units": 32, "dropout": 0.2},
    "random_forest": {"kind": "random_forest", "n_trees": 20},
}
CHANNELS = channel_names("sensor_acc", ["head", "left_wrist"])
STILL = AugmentSettings(misalignment_deg=0, scale=0)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


def windows(n=32, n_classes=4, length=21, seed=0) -> WindowSet:
    """Noise without a pattern, so that fitting it is learning by heart; labels in turn."""
    x = np.random.default_rng(seed).normal(0, 3, (n, length, len(CHANNELS))).astype(np.float32)
    label = np.array([f"c{i % n_classes}" for i in range(n)])
    text = np.array([f"w{i:03d}" for i in range(n)])
    return WindowSet(
        x, label, text, text, np.array(["d"] * n), text, CHANNELS, 20.0, "sensor_acc", np.ones(n, np.float32)
    )


def fitted(kind, data, *, seed=0, epochs=2):
    settings = settings_of(KINDS[kind])
    if isinstance(settings, ForestSettings):
        return fit_forest(data, data, data.classes, settings, seed=seed, trained_on="d")
    pretrain = PretrainSettings(
        model=settings, epochs=epochs, batch_size=32, lr=1e-2, patience_epochs=epochs, augment=STILL, seed=seed,
        penalty_weight=0.1,
    )  # fmt: skip
    return fit_from_scratch(data, data, data.classes, pretrain, trained_on="d")


@pytest.fixture(scope="module")
def trained(kind):
    return fitted(kind, windows())


def test_probabilities_are_one_row_a_window(kind, trained):
    for n in (0, 1, 5):
        p = predict(trained.model, windows(max(n, 1)).x[:n])
        assert p.shape == (n, trained.model.n_classes) == (n, 4)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
        assert (p >= 0).all()


def test_a_model_comes_back_as_it_was(kind, trained, tmp_path):
    save_model(tmp_path / "m.pt", trained.model, trained.card)
    model, card = load_model(tmp_path / "m.pt")
    assert card == trained.card
    assert weights_sha256(model) == weights_sha256(trained.model)
    other = windows(seed=7).x
    np.testing.assert_array_equal(predict(model, other), predict(trained.model, other))


def test_a_damaged_file_is_a_rejection(kind, trained, tmp_path):
    """Cut short, or with a byte flipped. torch does not look at its zip's checksums: some flips are another model,
    which a published folder's hashes and a checkpoint's seal tell."""
    save_model(tmp_path / "m.pt", trained.model, trained.card)
    whole = (tmp_path / "m.pt").read_bytes()
    flips = np.random.default_rng(0).integers(0, len(whole), 20)
    damaged = [whole[: len(whole) * n // 8] for n in range(8)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in flips]
    rejected = 0
    for data in damaged:
        (tmp_path / "m.pt").write_bytes(data)
        try:
            load_model(tmp_path / "m.pt")
        except Rejection:
            rejected += 1
    assert rejected >= 8


def test_weights_of_another_shape_are_a_rejection(kind, trained, tmp_path):
    save_model(tmp_path / "m.pt", trained.model, trained.card)
    data = torch.load(tmp_path / "m.pt", weights_only=True)
    data["state"].popitem()
    torch.save(data, tmp_path / "m.pt")
    with pytest.raises(Rejection, match="unreadable"):
        load_model(tmp_path / "m.pt")


def test_a_seed_gives_the_model_again_and_another_seed_another(kind, trained):
    torch.rand(3)  # what was drawn before plays no part
    np.random.default_rng().random(3)
    assert weights_sha256(fitted(kind, windows()).model) == weights_sha256(trained.model)
    assert weights_sha256(fitted(kind, windows(), seed=1).model) != weights_sha256(trained.model)


def test_prediction_does_not_depend_on_who_shares_the_batch(kind, trained):
    x = windows(20, seed=3).x
    together = predict(trained.model, x)
    apart = [predict(trained.model, x[i : i + 3]) for i in range(0, 20, 3)]
    np.testing.assert_allclose(np.concatenate(apart), together, atol=1e-6)
    np.testing.assert_allclose(predict(trained.model, x[::-1].copy())[::-1], together, atol=1e-6)


def test_it_learns_32_windows_by_heart(kind):
    data = windows(32)
    model = fitted(kind, data, epochs=80).model
    assert scores(data.targets(data.classes), predict(model, data.x).argmax(axis=1))["macro_f1"] == 1


def test_a_class_that_training_lacks_gets_little(kind):
    data = windows(32, n_classes=3)
    settings = settings_of(KINDS[kind])
    classes = ("c0", "c1", "c2", "never")
    if isinstance(settings, ForestSettings):
        model = fit_forest(data, data, classes, settings, seed=0, trained_on="d").model
    else:
        pretrain = PretrainSettings(model=settings, epochs=30, batch_size=32, lr=1e-2, augment=STILL)
        model = fit_from_scratch(data, data, classes, pretrain, trained_on="d").model
    assert predict(model, data.x)[:, 3].max() < 0.15


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random_forest"], indirect=True)
def test_blocks_hold_every_weight_once(kind, trained):
    assert isinstance(trained.model, Network)
    blocks = [*trained.model.convolutions, *trained.model.head]
    held = [id(p) for block in blocks for p in block.parameters()]
    assert sorted(held) == sorted(id(p) for p in trained.model.parameters())
    assert trained.model.output in list(blocks[-1].modules())
