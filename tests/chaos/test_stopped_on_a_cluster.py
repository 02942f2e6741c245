"""`ray job stop` in the middle of a submitted job: submitted again, it goes on."""

import os
import subprocess
import sys

import pytest
from invariants import check_not_repeated, check_nothing_to_read, check_result, finished_shards
from running_job import wait_for

from vimu.cluster.loopback import loopback_cluster

pytestmark = [pytest.mark.ray, pytest.mark.chaos]


def test_a_stopped_job_is_submitted_again(configured, undisturbed, n_tasks, slow_files, repo, tmp_path, monkeypatch):
    config = configured(tmp_path, kind=slow_files.kind)
    for name, value in slow_files.environment.items():
        monkeypatch.setenv(name, value)
    folder = config.parent / "runs" / "chaos" / "synthesize"
    staging = folder.with_name(".synthesize.staging")
    with loopback_cluster() as cluster:
        environment = os.environ | dict(cluster.environment)
        command = [sys.executable, "jobs/synthesize.py", "--config", str(config)]

        def called(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, *arguments], cwd=repo, env=environment, capture_output=True, text=True, timeout=250
            )

        def submit(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
            options = ("--address", cluster.dashboard, "--submission", name, *options)
            return called("-m", "vimu", "submit", *options, "--", *command)

        assert submit("first", "--no-wait").returncode == 0
        wait_for(lambda: len(finished_shards(staging)) >= 5)
        stop = "import ray.job_submission as j, sys; c = j.JobSubmissionClient(sys.argv[1]); c.stop_job('first')"
        stop += "\nwhile not c.get_job_status('first').is_terminal(): pass\nprint(c.get_job_status('first'))"
        stopped = called("-c", stop, cluster.dashboard)
        assert "STOPPED" in stopped.stdout, stopped.stdout + stopped.stderr
        check_nothing_to_read(folder)
        before = finished_shards(staging)
        again = submit("second")
        assert again.returncode == 0, again.stdout + again.stderr
    assert 5 <= len(before) < n_tasks
    check_not_repeated(before, folder)
    assert check_result(folder) == undisturbed
