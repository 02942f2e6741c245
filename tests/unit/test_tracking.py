"""Figures of every epoch, for TensorBoard and MLflow."""

import struct
import sys
from types import ModuleType

import pytest
from tensorboardX.proto.event_pb2 import Event

from vimu.runtime.errors import UserError
from vimu.training import tracking
from vimu.training.tracking import Tracker, require_mlflow


def events(folder):
    """Of all files, in order of time: TFRecords, each its length, a checksum, the event and a checksum."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (n,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + n])
            data = data[16 + n :]


def scalars(folder):
    return [(e.step, v.tag, v.simple_value) for e in events(folder) for v in e.summary.value]


def test_tensorboard_gets_every_epoch_and_a_resumed_run_takes_back_what_it_repeats(tmp_path):
    first = Tracker(tmp_path, start_epoch=0, mlflow_uri=None, params={})
    for epoch in range(3):
        first.log(epoch, {"loss": 2.0 - epoch, "lr": 0.5})
    first.close()
    assert scalars(tmp_path) == [
        (e, tag, value) for e in range(3) for tag, value in (("loss", 2.0 - e), ("lr", 0.5))
    ]  # fmt: skip
    again = Tracker(tmp_path, start_epoch=2, mlflow_uri=None, params={})
    again.log(2, {"loss": 0.25})
    again.close()
    assert (2, "loss", 0.25) in scalars(tmp_path)
    assert [e.step for e in events(tmp_path) if e.session_log.status == 1 and e.step] == [2]


def test_mlflow_gets_the_same_where_it_is_configured(tmp_path, monkeypatch):
    """A stand-in for MLflow's client notes what it is asked; its names are MLflow's."""
    asked = []

    class Client:
        def __init__(self, uri):
            asked.append(("client", uri))

        def get_experiment_by_name(self, name):
            asked.append(("looked for", name))

        def create_experiment(self, name):
            asked.append(("experiment", name))
            return "7"

        def create_run(self, experiment, run_name):
            run = ModuleType("run")
            run.info = ModuleType("info")
            run.info.run_id = f"{experiment}/{run_name}"
            return run

        def log_param(self, run, name, value):
            asked.append((run, name, value))

        def log_metric(self, run, name, value, step):
            asked.append((run, name, value, step))

        def set_terminated(self, run):
            asked.append((run, "ended"))

    stand_in = ModuleType("mlflow.tracking")
    stand_in.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", stand_in)
    folder = tmp_path / "demo" / ".pretrain.staging" / "tensorboard"
    tracker = Tracker(folder, start_epoch=0, mlflow_uri="http://x", params={"lr": 0.1})
    tracker.log(0, {"loss": 2.0})
    tracker.close()
    run = "7/demo"
    assert asked == [
        ("client", "http://x"), ("looked for", "vimu"), ("experiment", "vimu"), (run, "lr", 0.1),
        (run, "loss", 2.0, 0), (run, "ended"),
    ]  # fmt: skip


def test_mlflow_that_is_configured_but_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'vimu\[mlflow\]'"):
        require_mlflow()
