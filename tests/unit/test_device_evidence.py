"""The numbers of `configs/devices/*.yaml` that say "measured", measured again on the real recordings."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from vimu.imu.device_models import ChannelModel, load_devices
from vimu.imu.measurement import noise_density, saturation, share_of_steps, still_windows, white_noise_std
from vimu.recordings.umafall_rows import read_rows

POCKET, CHEST, WAIST, WRIST, ANKLE = range(5)
QUARTERED_G = 0.6


@pytest.fixture(scope="module")
def umafall_rows(umafall: Path) -> dict[tuple[int, int], list[np.ndarray]]:
    """(sensor id, 0 acc or 1 gyr) -> the trials' readings, g or deg/s, of every other trial."""
    readings: dict[tuple[int, int], list[np.ndarray]] = {}
    for path in sorted(umafall.glob("*.csv"))[::2]:
        rows = read_rows(path)
        for sensor in range(5):
            for kind in (0, 1):
                values = rows.values[(rows.sensor == sensor) & (rows.kind == kind) & ~rows.lost & ~rows.doubtful]
                quartered = kind == 0 and len(values) and np.median(np.linalg.norm(values, axis=1)) < QUARTERED_G
                if len(values) > 100 and not quartered:
                    readings.setdefault((sensor, kind), []).append(values)
    return readings


@pytest.fixture(scope="module")
def hapt(vimu_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[np.ndarray]]:
    """`acc`, g, and `gyr`, deg/s, of seven experiments."""
    folder = tmp_path_factory.mktemp("hapt")
    with tarfile.open(vimu_data / "imu_hapt" / "hapt_raw.tar.xz") as tar:
        wanted = [m for m in tar if any(f"exp{i:02d}_" in m.name for i in range(1, 61, 9))]
        tar.extractall(folder, wanted, filter="data")
    acc = [np.loadtxt(p) for p in sorted(folder.rglob("acc_*.txt"))]
    gyr = [np.degrees(np.loadtxt(p)) for p in sorted(folder.rglob("gyro_*.txt"))]
    assert len(acc) == len(gyr) == 7
    return {"acc": acc, "gyr": gyr}


def channel(device_set: str, model: str, kind: str = "acc") -> ChannelModel:
    found = getattr(load_devices(device_set).models[model], kind)
    assert found is not None
    return found


def test_sensortag_readings_are_whole_steps_within_the_range(umafall_rows):
    for sensor in (CHEST, WAIST, WRIST, ANKLE):
        for kind, name, usual in ((0, "acc", 0.97), (1, "gyr", 1.0)):
            model, readings = channel("umafall", "sensortag", name), np.concatenate(umafall_rows[sensor, kind])
            assert (
                share_of_steps(readings, model.resolution.value) >= usual
            )  # the first rows of a trial may be quartered
            assert share_of_steps(readings, 0.73 * model.resolution.value) < 0.5  # not so of any step
            assert saturation(readings, model.resolution.value)[0] == pytest.approx(model.range.value, rel=0.01)


def test_the_pocket_holds_two_phones_each_with_its_steps_and_range(umafall_rows):
    fine, coarse = channel("umafall", "phone_4g"), channel("umafall", "phone_2g")
    trials = umafall_rows[POCKET, 0]
    beyond = [t for t in trials if np.abs(t).max() > 1.01 * coarse.range.value]
    greatest, n_there = saturation(np.concatenate(beyond), fine.resolution.value)
    assert greatest == pytest.approx(fine.range.value, rel=1e-3)
    assert n_there > 5
    near = (0.9999 * coarse.range.value, 1.01 * coarse.range.value)
    stuck = [t for t in trials if np.abs(t).max() < near[1] and (np.abs(t) > near[0]).sum() > 5]
    greatest, n_there = saturation(np.concatenate(stuck), coarse.resolution.value)
    assert greatest == pytest.approx(coarse.range.value, rel=1e-3)
    assert n_there > 2000  # a great deal of what happened lies beyond this phone's range

    def step(trial: np.ndarray) -> float:
        steps = np.diff(np.unique(trial[:, 0]))
        return float(np.percentile(steps[steps > 2e-6], 3))

    assert np.median([step(t) for t in beyond]) == pytest.approx(fine.resolution.value, rel=1e-3)
    assert np.median([step(t) for t in stuck]) == pytest.approx(coarse.resolution.value, rel=1e-3)


def test_sensortag_noise_is_that_of_the_quietest_windows(umafall_rows):
    model = channel("umafall", "sensortag")
    per_axis = [
        np.median([white_noise_std(w) for w in still_windows(umafall_rows[s, 0], 40, 0.01)], axis=0)
        for s in (WAIST, WRIST, ANKLE)
    ]
    modelled = model.noise_density.value * np.sqrt(model.bandwidth_hz.value)
    assert np.median(per_axis) == pytest.approx(modelled, rel=0.25)
    gyr = channel("umafall", "sensortag", "gyr")
    quietest = min(
        np.percentile([white_noise_std(w) for w in still_windows(umafall_rows[s, 1], 40, 0.05)], 10, axis=0).min()
        for s in (CHEST, WAIST, WRIST, ANKLE)
    )
    assert quietest == pytest.approx(gyr.noise_density.value * np.sqrt(gyr.bandwidth_hz.value), rel=0.4)


def test_phone_noise_and_bandwidth_are_those_of_the_quietest_windows(umafall_rows):
    model = channel("umafall", "phone_4g")
    quiet = still_windows([t for t in umafall_rows[POCKET, 0] if np.abs(t).max() > 2.01], 400, 0.05)
    level = noise_density(quiet, 198.1, (24, 50))
    assert level == pytest.approx(model.noise_density.value, rel=0.15)
    assert len(quiet) > 10
    at_bandwidth = noise_density(quiet, 198.1, (model.bandwidth_hz.value - 6, model.bandwidth_hz.value + 6))
    assert at_bandwidth / level == pytest.approx(np.sqrt(0.5), rel=0.12)


def test_sensortag_gyroscopes_rest_off_zero_by_the_bias(umafall_rows):
    means = [
        np.median([w.mean(axis=0) for w in still_windows(umafall_rows[s, 1], 20, 0.05)], axis=0)
        for s in (CHEST, WAIST, WRIST, ANKLE)
    ]
    rms = np.sqrt(np.mean(np.square(means)))
    assert rms == pytest.approx(channel("umafall", "sensortag", "gyr").bias_std.value, rel=0.2)


def test_the_motes_alias_in_jogging(umafall_rows, umafall):
    """Amplitude at 9 Hz over 5 Hz: as the phone's where it is strided, and not as where it is filtered before."""
    jogging = [read_rows(p) for p in sorted(umafall.glob("*Jogging*.csv"))[::2]]

    def fall(sensor: int, stride: int = 1) -> float:
        takes = [r.values[(r.sensor == sensor) & (r.kind == 0) & ~r.lost & ~r.doubtful][::stride] for r in jogging]
        return noise_density([t[:240] for t in takes if len(t) >= 240], 19.98, (8, 10)) / noise_density(
            [t[:240] for t in takes if len(t) >= 240], 19.98, (4, 6)
        )

    assert fall(ANKLE) > 0.7
    assert fall(WAIST) > 0.6
    assert fall(POCKET, stride=10) > 0.7


def test_hapt_steps_range_and_noise(hapt):
    for kind in ("acc", "gyr"):
        model, readings = channel("hapt", "galaxy_s2", kind), np.concatenate(hapt[kind])
        assert share_of_steps(readings, model.resolution.value) > 0.99
        assert np.abs(readings).max() <= model.range.value * 1.001
        quiet = still_windows(hapt[kind], 250, 0.02)
        assert noise_density(quiet, 50.0, (15, 25)) == pytest.approx(model.noise_density.value, rel=0.25)
        restful = np.median([w.mean(axis=0) for w in still_windows(hapt["gyr"], 50, 0.05)], axis=0)
    assert np.sqrt(np.mean(restful**2)) == pytest.approx(channel("hapt", "galaxy_s2", "gyr").bias_std.value, rel=0.2)
