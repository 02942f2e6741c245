"""Exported recognisers for tests: a network of any weights, published as the stage `export` publishes one."""

import json
from pathlib import Path

import numpy as np
import torch

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.models.choice import build_model
from vimu.models.network import Network
from vimu.models.settings import settings_of
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.serving import onnx_model, preprocessing
from vimu.serving.export import to_onnx
from vimu.serving.preprocessing import Preprocessing, preprocessing_of
from vimu.serving.recognizer import CARD
from vimu.windows.settings import WindowSettings

CLASSES = ("lie", "run", "sit", "walk")
SMALL_CNN = {"widths": [8, 16], "hidden": 16}


def fed(sensors=("chest", "right_wrist"), mounting="as_worn", **windows) -> Preprocessing:
    """What a small model takes: 20 frames at 20 Hz, every 7."""
    settings = {"rate_hz": 20, "length_frames": 20, "hop_frames": 7, "feature_set": "sensor_acc"} | windows
    return preprocessing_of(
        WindowSettings.model_validate(settings), sensors=sensors, classes=CLASSES, mounting=mounting, synthetic=True
    )


def network(fits: Preprocessing, kind=SMALL_CNN, seed=0) -> Network:
    """Weights drawn by seed, wide enough for classes to differ, and statistics unlike 0 and 1."""
    torch.manual_seed(seed)
    model = build_model(
        settings_of(kind), n_channels=len(fits.channels), length_frames=fits.windows.length_frames,
        n_classes=len(fits.classes),
    )  # fmt: skip
    n = len(fits.channels)
    model.standardize(torch.linspace(-3, 9, n), torch.linspace(0.5, 4, n))
    with torch.no_grad():
        model.output.weight.mul_(4)
    return model.eval()


def write_export(folder: Path, fits: Preprocessing, model: Network, **changed: bytes) -> Path:
    """A folder that `Recognizer.load` takes. `changed` puts other bytes in place of a file's, honestly sealed."""
    files = {
        onnx_model.FILE: to_onnx(model, length_frames=fits.windows.length_frames, n_channels=len(fits.channels)),
        preprocessing.FILE: fits.model_dump_json().encode(),
        CARD: json.dumps({"synthetic": True}).encode(),
    } | {name.replace("__", "."): data for name, data in changed.items()}

    def build(staging, previous):
        for name, data in files.items():
            (staging / name).write_bytes(data)
        return Outcome(counts={}, content_hash="")

    publish(folder, identity={"stage": "export"}, build=build, made_by="-")
    return folder


def worn(n_frames=150, sensors=("chest", "right_wrist"), rate_hz=20.0, seed=0, **changes) -> ImuRecording:
    """Somebody about upright, as accelerometers read it."""
    rng = np.random.default_rng(seed)
    acc = rng.normal(0, 2, (n_frames, len(sensors), 3)) + np.array([0, STANDARD_GRAVITY, 0])
    given = {"acc": acc.astype(np.float32), "gyr": None, "ori": None, "rate_hz": rate_hz, "sensors": sensors}
    return ImuRecording(**(given | {"frame": "sensor", "gravity": "included"} | changes))
