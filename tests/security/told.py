"""A job on a configuration of a few lines: how it ends, and in which words."""

import json
from collections.abc import Mapping
from pathlib import Path

from running_job import run


def told(folder: Path, values: Mapping[str, object], *options: str, job: str = "synthesize") -> tuple[int, str]:
    """Exit code, and all that it said as one line; a traceback fails. What it publishes goes to `folder/runs/x`."""
    config = folder / "run.yaml"
    config.write_text(json.dumps({"name": "x", "runs_dir": str(folder / "runs")} | values))
    code, said = run(config, *options, script=f"jobs/{job}.py")
    assert "Traceback" not in said
    return code, " ".join(said.split())
