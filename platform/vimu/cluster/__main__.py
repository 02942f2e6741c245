"""`python -m vimu.cluster CONFIG`: a cluster of two nodes on loopback, and the whole pipeline submitted to it.

`make cluster-demo` runs it on generated data.
"""

import argparse
import os
import sys
from pathlib import Path

from ruamel.yaml import YAML

from vimu.cluster.loopback import loopback_cluster
from vimu.cluster.submit import runtime_env_of, submit
from vimu.runtime.config import load_config
from vimu.runtime.errors import EXIT_USER, OperationError, UserError
from vimu.stages.config import Config


def main() -> int:
    """Exit code of the submitted job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--name", default="cluster-demo")
    given = parser.parse_args()
    try:
        settings = load_config(Config, given.config)
        runtime_env_of(Path.cwd())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    with loopback_cluster() as cluster:
        os.environ.update(cluster.environment)
        path = cluster.logs / "config.yaml"
        with path.open("w", encoding="utf-8") as stream:
            YAML().dump(with_absolute_paths(settings, Path.cwd(), given.name), stream)
        print(f"two nodes at {cluster.dashboard}, closed to who has no token", file=sys.stderr)
        command = [sys.executable, "jobs/pipeline.py", "--config", str(path)]
        return submit(
            command, address=cluster.dashboard, submission=given.name, working_dir=Path.cwd(), wait=True
        )  # fmt: skip


def with_absolute_paths(settings: Config, here: Path, name: str) -> dict[str, object]:
    """A configuration for jobs that start in another folder: on a cluster, in a copy of the checkout."""

    def absolute(value: object, key: str) -> object:
        if isinstance(value, dict):
            return {k: absolute(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [absolute(v, key) for v in value]
        if key in ("root", "body", "runs_dir") and isinstance(value, str) and "://" not in value:
            return str((here / value).resolve())
        return value

    raw = settings.model_dump(mode="json", exclude={"given"}) | {"name": name}
    return {key: absolute(value, key) for key, value in raw.items()}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OperationError as failure:
        print(f"failed: {failure}", file=sys.stderr)
        sys.exit(1)
