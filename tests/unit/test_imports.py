"""What commands load before they know what to do: a person who asks for help, or for a dry run, should not wait."""

import subprocess
import sys

import pytest

JOBS = [
    "synthesize", "prepare", "tune", "pretrain", "finetune", "crossval", "evaluate", "export", "study", "interpret",
    "align", "pipeline",
]  # fmt: skip


def test_the_commands_load_no_server_before_they_serve():
    told = "import sys, vimu.cli; print([name for name in ('torch', 'ray', 'aiohttp') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("stage", JOBS)
def test_a_job_loads_neither_torch_nor_ray_before_it_runs(stage):
    told = f"import sys, vimu.stages.{stage}; print([name for name in ('torch', 'ray') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
