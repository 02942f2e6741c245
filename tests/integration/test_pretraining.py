"""Pre-training on Ray Train: one worker or two, killed, damaged, resumed, with a window that is no number."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vimu.runtime.published import open_published
from vimu.runtime.storage import stored
from vimu.training import pretrain
from vimu.training.loop import LossNotFiniteError
from vimu.training.pretrain import pretrain_on_ray
from vimu.training.settings import AugmentSettings, PretrainSettings

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SETTINGS = PretrainSettings(
    model={"widths": [8, 16], "hidden": 16}, epochs=4, batch_size=32, checkpoint_every_epochs=1, n_workers=2,
    augment=AugmentSettings(misalignment_deg=30, heading=True, scale=0.2, noise=0.1),
)  # fmt: skip


@pytest.fixture(scope="module")
def train_on(cut_run, tmp_path_factory):
    """Trains on the small run's virtual windows, or on `files`; gives the checkpoint's log."""
    published = open_published(cut_run.run_dir / "prepare", made_by="-")
    datasets = published.details["virtual_datasets"]
    by_split = published.details["windows"][datasets[0]].values()
    classes = sorted({label for by_label in by_split for label in by_label})

    def train(storage, *, files=None, settings=SETTINGS):
        folder = pretrain_on_ray(
            files or published.files("windows/"), datasets=datasets, classes=classes, settings=settings,
            trained_on="test", storage=storage, tensorboard=storage.parent / "tensorboard",
        )  # fmt: skip
        return json.loads((folder / "log.json").read_text())

    train.files = published.files("windows/")
    return train


@pytest.fixture(scope="module")
def two_workers(train_on, tmp_path_factory):
    """An uninterrupted run: its storage and log."""
    storage = tmp_path_factory.mktemp("two") / "ray"
    return storage, train_on(storage)


def curve(log):
    return [(line["epoch"], pytest.approx(line["loss"], rel=1e-6), line["val_macro_f1"]) for line in log["epochs"]]


def weights(log):
    (sha256,) = {rank["weights_sha256"] for rank in log["ranks"]}
    return sha256


@pytest.mark.fault(23)
def test_one_worker_trains_as_two_do_to_the_last_bit(train_on, two_workers, tmp_path):
    _, two = two_workers
    one = train_on(tmp_path / "ray", settings=SETTINGS.model_copy(update={"n_workers": 1}))
    assert curve(one) == curve(two)
    assert len(two["epochs"]) == 4
    assert weights(one) == weights(two)
    assert any((two_workers[0].parent / "tensorboard").iterdir())


@pytest.mark.fault(16, 18)
def test_a_damaged_checkpoint_is_skipped_and_the_curve_goes_on_as_it_was(train_on, two_workers, capfd):
    storage, before = two_workers
    newest = max(storage.glob("*/checkpoint_*/state.pt"), key=lambda path: path.parent.name)
    newest.write_bytes(newest.read_bytes()[:-100])
    after = train_on(storage)
    assert curve(after) == curve(before)
    assert weights(after) == weights(before)
    said = capfd.readouterr().err
    assert "is damaged (state.pt fails its hash); an earlier one is used" in said
    assert "epoch 4/4" in said
    assert "epoch 3/4" not in said


@pytest.mark.fault(6)
def test_a_finished_run_is_left_alone(train_on, two_workers, monkeypatch):
    storage, before = two_workers
    monkeypatch.setattr(pretrain, "TorchTrainer", None)
    assert curve(train_on(storage)) == curve(before)


@pytest.mark.fault(14, 18)
def test_a_rank_that_is_killed_resumes_to_the_same_curve(train_on, two_workers, tmp_path, monkeypatch):
    """Rank 1 ends itself by SIGKILL once two epochs are done; Ray starts both again."""
    run, mark = pretrain.train_worker, str(tmp_path / "killed")

    def dies_once(config):
        import ray.train

        def kill_when_due():
            while not (lines := _lines(config["progress"])) or "epoch 2/4" not in lines:
                time.sleep(0.002)
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)

        def _lines(path):
            return Path(path).read_text() if Path(path).is_file() else ""

        if ray.train.get_context().get_world_rank() == 1 and not Path(mark).exists():
            threading.Thread(target=kill_when_due, daemon=True).start()
        run(config)

    monkeypatch.setattr(pretrain, "train_worker", dies_once)
    log = train_on(tmp_path / "ray")
    assert Path(mark).exists()
    said = (tmp_path / "ray" / "progress.log").read_text()
    assert said.count("epoch 1/4") == 1  # it went on from there, and did not begin anew
    assert curve(log) == curve(two_workers[1])
    assert weights(log) == weights(two_workers[1])


@pytest.mark.fault(19)
def test_a_window_that_is_no_number_ends_training_with_its_name(train_on, tmp_path, monkeypatch):
    """Once, on both ranks: not four times, as Ray retries what raises."""
    table = pa.concat_tables(pq.read_table(file.where) for file in train_on.files)
    row = table.column("split").to_pylist().index("train")
    x = np.array(table.column("x").combine_chunks().to_numpy_ndarray())
    x[row, 3, 0] = np.nan
    at = table.schema.get_field_index("x")
    table = table.set_column(at, table.schema.field(at), pa.FixedShapeTensorArray.from_numpy_ndarray(x))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    broken = stored(tmp_path / "windows.parquet", sink.getvalue().to_pybytes())
    with pytest.raises(LossNotFiniteError, match=r"rank 0: loss is .* rank 1: loss is") as caught:
        train_on(tmp_path / "ray", files=[broken])
    assert f"of them not finite: {table.column('window_id')[row].as_py()}" in str(caught.value)
    assert len(list((tmp_path / "ray").glob("*/checkpoint_*"))) == 0
