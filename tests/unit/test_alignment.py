"""What alignment is made of: signals turned upright, the space's losses, training that a class is kept out of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from published_windows import make_windows
from vimu.evaluation.aligned import Asked, aligned_result
from vimu.models.sensor_encoder import SensorEncoder
from vimu.semantics.align_settings import AlignSettings, Stage2Settings
from vimu.semantics.fit_list import fits_of
from vimu.semantics.signals import VarySettings, aligned_signals, vary
from vimu.semantics.space import contrastive_loss, prototypes
from vimu.semantics.stage2 import Words, fit_sensor, outputs
from vimu.semantics.taught import Texts, sensor_by_sensor
from vimu.windows.features import channel_names
from vimu.windows.schema import WindowSet

CLASSES = {"walking": ("walking",), "still": ("sitting",), "up": ("going_upstairs",)}


def test_the_sensor_encoder_is_light_and_takes_any_length():
    encoder = SensorEncoder(384).eval()
    assert sum(p.numel() for p in encoder.parameters()) < 300_000
    assert encoder(torch.zeros(2, 80, 6)).shape == encoder(torch.zeros(2, 200, 6)).shape == (2, 384)


@given(turn=st.integers(0, 2**32 - 1))
def test_however_the_sensor_hangs_the_signal_is_the_same_up_to_its_heading(turn):
    x = make_windows(4)[0]
    matrix = Rotation.random(random_state=turn).as_matrix()
    turned = np.concatenate([x[:, :, :3] @ matrix.T, x[:, :, 3:] @ matrix.T], axis=2).astype(np.float32)
    before, after = (aligned_signals(w, rate_hz=50.0) for w in (x, turned))
    assert np.allclose(before[:, :, [2, 5]], after[:, :, [2, 5]], atol=2e-3)
    for plane in ([0, 1], [3, 4]):
        lengths = [np.linalg.norm(signal[:, :, plane], axis=2) for signal in (before, after)]
        assert np.allclose(*lengths, atol=2e-3)
    assert abs(before[:, :, :3].mean()) < 0.05  # gravity is off


def test_another_heading_leaves_what_is_vertical_and_how_long_the_rest_is():
    x = torch.randn(8, 50, 6)
    varied = vary(x, VarySettings(scale=0, noise=0), torch.Generator().manual_seed(0))
    assert torch.allclose(varied[:, :, [2, 5]], x[:, :, [2, 5]], atol=1e-6)
    assert torch.allclose(varied[:, :, :2].norm(dim=2), x[:, :, :2].norm(dim=2), atol=1e-5)
    # both sensors turn together
    dot, was = ((v[:, :, :2] * v[:, :, 3:5]).sum(dim=2) for v in (varied, x))
    assert torch.allclose(dot, was, atol=1e-4) and not torch.allclose(varied, x, atol=0.1)
    still = VarySettings(yaw=False, scale=0, noise=0)
    assert torch.equal(vary(x, still, torch.Generator()), x)


def test_the_contrastive_loss_of_two_pairs_by_hand():
    vectors, y = torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1])
    right = -np.log(np.e / (np.e + 2))  # of three others, one is alike at cosine 1 and two stand at 0
    assert float(contrastive_loss(vectors, y, 1.0)) == pytest.approx(right, abs=1e-6)
    assert float(contrastive_loss(vectors, torch.tensor([0, 1, 2, 3]), 1.0)) == 0.0
    alone = contrastive_loss(vectors[:3], torch.tensor([0, 0, 1]), 1.0)
    assert float(alone) == pytest.approx(-np.log(np.e / (np.e + 1)), abs=1e-6)


def test_a_class_points_where_its_texts_point_on_average():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = prototypes(vectors, torch.tensor([0, 0, 1]), 2)
    assert torch.allclose(found, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, -1.0]]))


def test_signals_are_led_to_the_vectors_of_their_texts():
    x, labels = make_windows(48, length=100)
    y = torch.tensor([["walking", "going_upstairs", "jogging", "sitting"].index(label) for label in labels])
    named = torch.nn.functional.normalize(torch.randn(4, 16, generator=torch.Generator().manual_seed(1)), dim=1)
    settings = Stage2Settings(epochs=10, batch_size=12, prototype_weight=0.0)
    signals = torch.from_numpy(aligned_signals(x, rate_hz=50.0))
    encoder, losses = fit_sensor(signals, y, Words(named[y], named, 0.07, 0.0), settings, seed=0)
    vectors = torch.nn.functional.normalize(outputs(encoder, signals), dim=1)
    assert losses[-1] < 0.3 * losses[0]
    assert float(((vectors @ named.T).argmax(dim=1) == y).float().mean()) > 0.9
    some = torch.where(torch.arange(len(y)) % 3 == 0, -1, y)  # of no class: learnt by their texts, in as many steps
    other, fewer = fit_sensor(signals, some, Words(named[y], named, 0.07, 0.5), settings, seed=0)
    assert len(fewer) == 7 and torch.isfinite(outputs(other, signals)).all()
    again, _ = fit_sensor(signals, y, Words(named[y], named, 0.07, 0.0), settings, seed=0)
    assert torch.equal(outputs(again, signals), outputs(encoder, signals))


def test_settings_that_contradict_themselves_are_refused():
    for raw, says in (
        ({"classes": {"a": ["x"], "b": ["x"]}}, "no label in two"),
        ({"classes": CLASSES, "unseen": ["jumping"]}, "must be some of `classes`"),
        ({"classes": CLASSES, "unseen": ["up", "still"]}, "two or more of which are left"),
        ({"classes": CLASSES, "controls": ["aligned"]}, "always there"),
        ({"classes": CLASSES, "texts": "descriptions"}, "recordings have no descriptions"),
        ({"classes": CLASSES, "learn": "virtual", "texts": "descriptions"}, "nobody judged them"),
    ):
        with pytest.raises(ValidationError, match=says):
            AlignSettings.model_validate(raw)


def test_every_model_is_named_once_and_those_kept_from_classes_only_where_there_are_some():
    settings = AlignSettings(classes=CLASSES, unseen=("up",), seeds=(0, 1))
    names = [fit.name for fit in fits_of(settings, CLASSES)]
    assert len(set(names)) == len(names) and "unseen-aligned-1" in names and "unseen-softmax-0" not in names
    for other, learnable in ((settings.model_copy(update={"unseen": ()}), CLASSES), (settings, ["walking", "still"])):
        assert not [fit for fit in fits_of(other, learnable) if fit.task == "unseen"]


def test_several_sensors_are_windows_of_their_own_under_ids_of_their_own():
    x = np.arange(2 * 3 * 12, dtype=np.float32).reshape(2, 3, 12)
    channels = tuple(channel_names("sensor_acc_gyr", ("waist", "chest")))
    column = np.array(["a", "b"])
    windows = WindowSet(
        x, column, column, column, column, np.array(["clip 1:0", "clip 1:30"]), channels, 50.0, "sensor_acc_gyr",
        np.ones(2, np.float32),
    )  # fmt: skip
    each = sensor_by_sensor(windows, ("chest", "waist"))
    assert each.window_id.tolist() == ["clip 1@chest:0", "clip 1@chest:30", "clip 1@waist:0", "clip 1@waist:30"]
    assert each.channels == tuple(channel_names("sensor_acc_gyr", ("any",))) and each.label.tolist() == ["a", "b"] * 2
    chest = [channels.index(name) for name in channel_names("sensor_acc_gyr", ("chest",))]
    assert np.array_equal(each.x[:2], x[:, :, chest]) and not np.array_equal(each.x[2:], x[:, :, chest])
    one = sensor_by_sensor(windows, ("waist",))
    assert one.window_id.tolist() == ["clip 1:0", "clip 1:30"] and one.sensors == ("waist",)
    said = Texts({"clip 1": "a walk", "clip 1:30": "a turn"}, frozenset(["clip 1:30"]))
    assert [part.tolist() for part in said.of(windows)] == [["a walk", "a turn"], [True, False]]
    copies = replace(windows, window_id=np.array(["clip 1+1:0", "clip 1+2:0"]))
    assert said.of(copies)[0].tolist() == ["a walk", "a walk"]


def test_results_by_hand():
    truth, subject = ["a", "a", "b", "b", "c", "c"], ["1", "2", "3", "1", "2", "3"]
    ids = [f"w:{i}" for i in range(6)]
    windows = WindowSet(
        np.zeros((6, 4, 6), np.float32), np.array(truth), np.array(subject), np.array(["test"] * 6),
        np.array(["made"] * 6), np.array(ids), tuple(f"s.acc.{i}" for i in range(6)), 1.0, "sensor_acc_gyr",
        np.ones(6, np.float32),
    )  # fmt: skip
    said = {0: np.eye(3)[[0, 0, 1, 0, 2, 0]], 1: np.eye(3)[[0, 0, 0, 0, 2, 2]]}
    softmax = {0: np.eye(3)[[0] * 6], 1: np.eye(3)[[0] * 6]}
    tested = Asked("unseen", "made", windows, ("a", "b", "c"), True, "apart", ("b", "c"))
    r = aligned_result(tested, "aligned", "aligned", said, softmax, n_resamples=50)
    assert r["accuracy"] == pytest.approx(4 / 6)
    assert r["unseen_recall"] == pytest.approx(np.mean([[0.5, 0.5], [0.0, 1.0]]))
    assert r["accuracy_over_softmax"] == pytest.approx(4 / 6 - 2 / 6)
    low, high = r["accuracy_over_softmax_ci95"]
    assert low <= r["accuracy_over_softmax"] <= high
    assert r["experiment"] == "zero_shot" and r["split_protocol"] == "subjects_apart"
