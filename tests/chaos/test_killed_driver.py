"""SIGKILL the driver, again and again: each run goes on where the last one was."""

import pytest
from invariants import check_not_repeated, check_nothing_to_read, check_result, finished_shards
from running_job import job, kill, run, settled, share

pytestmark = pytest.mark.ray


def kill_driver_at(config, staging, n_finished, n_tasks, **environment):
    """1 where it was killed with that many shards finished, and some left to do."""
    with job(config, staging, **environment) as running:
        running.wait_until(n_finished)
        killed = kill(running.process.pid)
        assert len(settled(running)) < n_tasks, "nothing was left to do: the kill came too late"
    return killed


@pytest.mark.fault(1)
def test_killed_once(configured, undisturbed, n_tasks, tmp_path):
    kill_and_rerun(configured(tmp_path), undisturbed, n_tasks, tmp_path, [0.3])


@pytest.mark.fault(1)
@pytest.mark.chaos
def test_killed_three_times(configured, undisturbed, n_tasks, slow_files, tmp_path):
    """A worker goes on for some seconds without its driver: quick files would all be done."""
    config = configured(tmp_path, kind=slow_files.kind)
    kill_and_rerun(config, undisturbed, n_tasks, tmp_path, [0.3, 0.5, 0.7], **slow_files.environment)


def kill_and_rerun(config, undisturbed, n_tasks, tmp_path, fractions, **environment):
    folder = tmp_path / "runs" / "chaos" / "synthesize"
    staging = folder.with_name(".synthesize.staging")
    kills, before = 0, {}
    for fraction in fractions:
        n_finished = max(share(n_tasks, fraction), len(finished_shards(staging)) + 1)
        kills += kill_driver_at(config, staging, n_finished, n_tasks, **environment)
        check_nothing_to_read(folder)
        now = finished_shards(staging)
        assert {name: now[name] for name in before} == before
        before = now
    code, said = run(config, **environment)
    assert code == 0, said
    assert kills == len(fractions)
    check_not_repeated(before, folder)
    assert check_result(folder) == undisturbed
    code, said = run(config, **environment)
    assert (code, "already published" in said) == (0, True)
