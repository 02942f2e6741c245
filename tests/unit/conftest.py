"""What several files of tests look at: an exported recogniser of random weights, a published run and its
report, a folder of runs, an S3 bucket."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

import vimu
from exported import fed, network, worn, write_export
from object_store import s3_server
from reported import publish_run
from vimu.cli import app


@pytest.fixture(scope="session")
def small_model():
    fits = fed()
    return fits, network(fits)


@pytest.fixture(scope="session")
def export_folder(small_model, tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("run") / "export", *small_model)


@pytest.fixture(scope="session")
def recognizer(export_folder):
    return vimu.Recognizer.load(export_folder)


@pytest.fixture(scope="session")
def turned(tmp_path_factory):
    """Of world-frame features, each window with a heading of its own, sensors turned into their segments' axes."""
    fits = fed(feature_set="world_acc_ori", heading="shared", mounting="estimated")
    model = network(fits)
    folder = write_export(tmp_path_factory.mktemp("turned") / "export", fits, model)
    ori = Rotation.random(150 * 2, rng=0).as_matrix().reshape(150, 2, 3, 3).astype(np.float32)
    mounting = dict(zip(fits.sensors, Rotation.random(2, rng=1).as_matrix(), strict=True))
    return vimu.Recognizer.load(folder), model, worn(ori=ori), mounting


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def bucket():
    """URI of an S3 bucket that no other file of tests uses."""
    with s3_server() as uri:
        yield uri


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A published run. Tests do not change it."""
    return publish_run(tmp_path_factory.mktemp("runs") / "made")


@pytest.fixture(scope="session")
def report_files(run_folder, tmp_path_factory):
    """A folder with its report, `r.html`, and the figures of it as files."""
    out = tmp_path_factory.mktemp("out")
    done = CliRunner().invoke(app, ["report", str(run_folder), "--out", f"{out}/r.html", "--figures", f"{out}/figures"])
    assert done.exit_code == 0, done.output
    return out
