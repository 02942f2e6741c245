"""An exported recogniser, small and with random weights, that several files of tests look at."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import vimu
from exported import fed, network, worn, write_export


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
