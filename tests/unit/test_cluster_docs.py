"""docs/cluster.md says what the files say."""

import re
import shlex
import tomllib

import pytest


@pytest.fixture(scope="module")
def page(repo):
    return (repo / "docs" / "cluster.md").read_text()


def test_the_tested_ray_is_the_pinned_one_and_the_range_is_that_of_every_extra(repo, page):
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *(need for extra in project["optional-dependencies"].values() for need in extra)]
    [allowed] = {need.split("]")[1] for need in needs if need.startswith("ray[")}
    [pinned] = re.findall(r"^ray==(.+)$", (repo / "constraints.txt").read_text(), re.MULTILINE)
    assert f"Tested with Ray {pinned}; `{allowed}` is what installs." in page


def test_what_is_gathered_is_what_is_installed_from_it_and_what_the_image_has(repo, page):
    [gathered] = re.findall(r"pip wheel .*'\.\[(.+)\]'", (repo / "Makefile").read_text())
    [installed] = re.findall(r"--find-links wheelhouse 'vimu\[(.+)\]'", page)
    [image] = re.findall(r"--editable '\.\[(.+)\]'", (repo / "deploy" / "Dockerfile").read_text())
    extras = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert gathered == installed == image and set(gathered.split(",")) <= set(extras)
    assert "/wheelhouse/" in (repo / "configs" / "runtime_env.yaml").read_text(), "jobs must not take it along"


def test_files_and_options_that_it_names_exist(repo, page):
    for name in set(re.findall(r"\b(?:deploy|configs|jobs)/[\w./-]+\.(?:yaml|py)\b|deploy/Dockerfile", page)):
        assert (repo / name).is_file(), name
    assert len(page.split()) < 2200, "ten minutes of reading"
    from typer.testing import CliRunner

    from vimu.cli import app

    told = CliRunner().invoke(app, ["gc", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for line in re.findall(r"^vimu gc .+$", page, re.MULTILINE):
        for option in (word for word in shlex.split(line, comments=True) if word.startswith("--")):
            assert option in told
