"""Submit a job to a Ray cluster, show what it prints, and end as it ends: Ray's own client, with the job's exit code.

`ray job submit` does the same but for the code: it ends with 0 or 1.
"""

import asyncio
import logging
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vimu.runtime.errors import EXIT_INTERRUPTED, EXIT_OPERATION_FAILED, OperationError, UserError
from vimu.runtime.status import SUBMISSION
from vimu.runtime.yaml import read_yaml

RUNTIME_ENV = Path("configs/runtime_env.yaml")


def submit(command: Sequence[str], *, address: str, submission: str, working_dir: Path, wait: bool) -> int:
    """Submit, follow and wait.

    Args:
        command: as a shell has it: `python jobs/synthesize.py --config configs/demo.yaml`.
        address: of the head's dashboard: `http://127.0.0.1:8265`.
        submission: id; one that was used before is refused by the cluster.
        wait: False returns when the job is accepted.

    Returns:
        The job's own exit code; 130 where the person stopped waiting by Ctrl-C: the job is then stopped.

    Raises:
        UserError: Ray's job client is not installed, or the folder is no checkout.
        OperationError: the cluster does not answer, or refuses.
    """
    runtime_env = runtime_env_of(working_dir) | {"working_dir": str(working_dir)}
    runtime_env["env_vars"] = {**runtime_env.get("env_vars", {}), SUBMISSION: submission}
    client = _client(address)
    logging.getLogger("ray").setLevel(logging.WARNING)  # a line for each file that is not taken along
    try:
        client.submit_job(entrypoint=shlex.join(command), submission_id=submission, runtime_env=runtime_env)
    except Exception as error:
        raise OperationError(f"The cluster at `{address}` must take the job, but: {_short(error)}.") from error
    print(f"submitted as {submission}; ray job stop {submission} --address {address} ends it", file=sys.stderr)
    if not wait:
        return 0
    try:
        asyncio.run(_follow(client, submission))
        while not (info := client.get_job_info(submission)).status.is_terminal():
            time.sleep(1)  # its output may end before it does
    except KeyboardInterrupt:
        client.stop_job(submission)
        print(f"stopped {submission}. Submit again: what is finished is not repeated.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        raise OperationError(
            f"The cluster at `{address}` must answer, but: {_short(error)}. The job goes on: ray job logs {submission} "
            f"--address {address}"
        ) from error
    if info.driver_exit_code is not None:
        return int(info.driver_exit_code) % 256
    print(f"{info.status}: {info.message}", file=sys.stderr)
    return EXIT_OPERATION_FAILED


def runtime_env_of(working_dir: Path) -> dict[str, Any]:
    """`configs/runtime_env.yaml` of a checkout. Raises UserError: it is none."""
    path = working_dir / RUNTIME_ENV
    if not path.is_file():
        raise UserError(f"`{working_dir}` must be a checkout of vimu, but has no `{RUNTIME_ENV}`: --working-dir")
    return dict(read_yaml(path))


def _client(address: str) -> Any:
    try:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient(address)
    except ImportError as error:
        raise UserError("Ray's job client must be installed, but is not: pip install 'vimu[cluster]'") from error
    except Exception as error:  # a refused token is Ray's own kind
        raise OperationError(
            f"A cluster's dashboard must answer at `{address}`, but: {_short(error)}. With token authentication set "
            "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH."
        ) from error


async def _follow(client: Any, submission: str) -> None:
    async for lines in client.tail_job_logs(submission):
        print(lines, end="", flush=True)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
