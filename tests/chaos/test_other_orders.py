"""One worker or two, files in another order, inputs in another order, two runs at once, Ctrl-C: the same clips."""

import os
import shutil
import signal
import zlib

import pytest
from invariants import check_not_repeated, check_nothing_to_read, check_result, finished_shards
from running_job import job, run, share, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.chaos]


def synthesized(config, *options, **environment):
    code, said = run(config, *options, **environment)
    assert code == 0, said
    return check_result(config.parent / "runs" / "chaos" / "synthesize")


@pytest.mark.fault(23)
def test_two_workers(configured, undisturbed, tmp_path):
    assert synthesized(configured(tmp_path), "--set", "ray.num_cpus=2") == undisturbed


@pytest.mark.fault(23, 51)
def test_files_created_and_inputs_listed_in_another_order(configured, archive, undisturbed, tmp_path):
    """Clips and their hash stay; a take that occurs in two inputs is kept once, as the first input's."""
    files = sorted((p for p in archive.rglob("*.npz")), key=lambda p: p.name[::-1])
    for file in files:
        root = tmp_path / ("a" if zlib.crc32(file.name.encode()) % 2 else "b")
        place = root / file.relative_to(archive)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    for name, roots in {"one": ["a", "b"], "other": ["b", "a"]}.items():
        found = synthesized(configured(tmp_path / name, [tmp_path / root for root in roots]), "--set", "ray.num_cpus=2")
        assert (found.clip_ids, found.content_hash) == (undisturbed.clip_ids, undisturbed.content_hash)
        assert found.files_in == undisturbed.files_in


@pytest.mark.fault(11)
def test_a_second_run_into_the_same_output(configured, undisturbed, n_tasks, tmp_path):
    config = configured(tmp_path)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    with job(config, folder.with_name(".synthesize.staging")) as running:
        running.wait_until(share(n_tasks, 0.3))
        running.process.send_signal(signal.SIGSTOP)  # it must not end while the second one starts
        code, said = run(config)
        running.process.send_signal(signal.SIGCONT)
        assert (code, "Another run is writing" in said) == (2, True)
        code, said = running.end()
    assert code == 0, said
    assert check_result(folder) == undisturbed


@pytest.mark.fault(22)
@pytest.mark.parametrize("whole_group", [True, False], ids=["as a terminal does", "the driver alone"])
def test_ctrl_c(configured, undisturbed, n_tasks, slow_files, tmp_path, whole_group):
    config = configured(tmp_path, kind=slow_files.kind)
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    staging = folder.with_name(".synthesize.staging")
    with job(config, staging, **slow_files.environment) as running:
        running.wait_until(share(n_tasks, 0.3))
        (os.killpg if whole_group else os.kill)(running.process.pid, signal.SIGINT)
        code, said = running.end()
        wait_for(lambda: not running.living())
    assert code == 130, said
    assert said.count("interrupted. Run the same command again") == 1
    assert "Traceback" not in said
    assert len(said.splitlines()) < 40  # Ray's start and the progress among them
    check_nothing_to_read(folder)
    before = finished_shards(staging)
    assert len(before) < n_tasks, "nothing was left to do"
    assert synthesized(config, **slow_files.environment) == undisturbed
    check_not_repeated(before, folder)
