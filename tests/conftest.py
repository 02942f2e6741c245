"""Fixtures that every test may use: the real data, unpacked once a session; a private home; one local Ray."""

import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile("vimu", deadline=None)  # machines are shared: slow is no failure
hypothesis.settings.load_profile("vimu")

REPO = Path(__file__).resolve().parents[1]
JOBS = ("tests/chaos/", "tests/integration/test_command_line.py")
"""Tests that start jobs, each with a Ray of its own if with any."""
WITH_RAY = ("tests/integration/", "tests/security/test_hostile_")
"""The other tests in these share one Ray."""


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = (
        "Run the tests of these rows of tests/faults.yaml only, `make chaos`'s among them: --fault 24 --fault 3."
    )
    parser.addoption("--fault", type=int, action="append", default=[], metavar="N", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background: jobs would ignore it too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    by_hand = any(str(argument).startswith("-m") for argument in config.invocation_params.args)
    if config.getoption("fault") and not by_hand:  # pyproject.toml says `not chaos`: rows need both
        config.option.markexpr = ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """For a row, files that hold none need not be imported: it takes longer than most rows."""
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    skips = is_test and config.getoption("fault") and "mark.fault(" not in collection_path.read_text(encoding="utf-8")
    return True if skips else None


def faults_of(item: pytest.Item) -> set[int]:
    """Rows of tests/faults.yaml that a test holds."""
    return {number for mark in item.iter_markers("fault") for number in mark.args}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = set(config.getoption("fault"))
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if not wanted & faults_of(item)])
        items[:] = [item for item in items if wanted & faults_of(item)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of the two processes of `make test`, one runs the tests that share a Ray; the other runs the rest."""
    from xdist.scheduler import LoadScopeScheduling

    class RayTogether(LoadScopeScheduling):  # marks of groups are not seen with this pytest
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(JOBS):
                return "jobs"
            return "ray" if nodeid.startswith(WITH_RAY) else nodeid

    return RayTogether(config, log)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def vimu_data() -> Path:
    """Real recordings and mocap (`$VIMU_DATA`, default `../shared/data`): licences forbid shipping them."""
    folder = Path(os.environ.get("VIMU_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set VIMU_DATA")
    return folder


def _unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(archive.name.split(".")[0])
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def bandai_mini(vimu_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """66 real Bandai clips: the folder that holds `dataset/`."""
    return _unpacked(vimu_data / "mocap_bandai_bvh" / "bandai_bvh_mini.tar.xz", tmp_path_factory)


@pytest.fixture(scope="session")
def umafall(vimu_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """371 real UMAFall trials: the folder `UMAFall_Dataset`."""
    return _unpacked(vimu_data / "imu_umafall" / "umafall_core.tar.xz", tmp_path_factory) / "UMAFall_Dataset"


@pytest.fixture(scope="session")
def hapt(vimu_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """61 real HAPT experiments: the folder that holds `Raw-Data/`."""
    return _unpacked(vimu_data / "imu_hapt" / "hapt_raw.tar.xz", tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray writes tokens and sessions below HOME: tests give it one of their own."""
    home = tmp_path_factory.mktemp("home")
    old = os.environ.get("HOME")
    os.environ["HOME"] = str(home)
    yield home
    if old is not None:
        os.environ["HOME"] = old


@pytest.fixture(scope="session")
def demo_body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated body in SMPL's format, as smplx loads it; its npz stands beside it."""
    from vimu.demo.body import write_body

    return write_body(tmp_path_factory.mktemp("body"))


@pytest.fixture(scope="session")
def amass_samples(vimu_data: Path) -> list[Path]:
    """Three real AMASS files."""
    return sorted((vimu_data / "amass_samples").glob("*.npz"))
