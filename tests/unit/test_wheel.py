"""The wheel: what is in it, and that it runs where there is no checkout. docs/cluster.md, air-gapped installation."""

import os
import subprocess
import sys
import sysconfig
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(repo, tmp_path_factory):
    """Built by the backend that is installed for development: no network is asked."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(repo)], check=True)
    [built] = folder.iterdir()
    return built


def test_it_holds_the_package_the_configuration_and_nothing_else(repo, wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    places = {"vimu": repo / "platform" / "vimu", "vimu/configs": repo / "configs"}
    assert names == {
        f"{into}/{path.relative_to(folder).as_posix()}"
        for into, folder in places.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"vimu/evaluation/report.html.j2", "vimu/configs/archives/amass.yaml"} <= names


def test_it_runs_from_anywhere_without_a_checkout(wheel, tmp_path):
    """In an environment of its own, which sees the packages that vimu needs but not the checkout's vimu."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    [own] = venv.glob("lib/python*/site-packages")
    (own / "needed.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files, the checkout's, are not read
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIMU_CONFIGS")}

    def run(*command):
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    assert "gc" in run(str(venv / "bin" / "vimu"), "--help")
    code = "import vimu, vimu.archives.config as c; print(vimu.__file__, c.load_archive('bandai').name)"
    assert run(str(python), "-c", code).split() == [str(own / "vimu" / "__init__.py"), "bandai"]
