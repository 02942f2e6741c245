"""The Ray session of a job: a cluster where `RAY_ADDRESS` names one, else a local Ray of its own."""

import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field, PositiveInt

from vimu.runtime.config import Section
from vimu.runtime.errors import OperationError, UserError
from vimu.runtime.metrics import say_state
from vimu.runtime.resources import CHECK_EVERY_S, DEFAULTS, ResourceSettings, require

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Workers are the parallelism: a BLAS that starts a thread a core in each of them only makes them wait."""

NOTICED = {"RAY_grpc_client_keepalive_time_ms": "70000", "RAY_grpc_client_keepalive_timeout_ms": "30000"}
"""A task on a machine that is cut off without a word is given up after 100 s without an answer. By Ray's own settings
the job waits seven minutes for it, long after the cluster has taken the machine for lost. Ray's servers hang up on a
client that asks more often than once a minute.

Source: Ray, `src/ray/common/ray_config_def.h`, `src/ray/rpc/grpc_server.cc`; `tests/chaos/test_several_machines.py`.
"""


class RaySettings(Section):
    """The local Ray that a job starts where `RAY_ADDRESS` names no cluster, and how much of its talk is shown."""

    num_cpus: PositiveInt | None = None
    """CPUs of the local Ray; None takes the machine's."""
    object_store_mb: Annotated[int, Field(ge=75)] = 512
    """Shared memory of the local Ray, MB. With less than 75 Ray does not start."""
    quiet: bool = True
    """False shows what Ray, Ray Data and the workers say."""


@contextmanager
def ray_session(settings: RaySettings, resources: ResourceSettings = DEFAULTS) -> Iterator[None]:
    """Connect, or start; and end only what was started here.

    An enclosing session is used as it is, so that a pipeline's jobs share one.

    Args:
        resources: how long to wait for a cluster's nodes.

    Raises:
        UserError: the cluster has no CPU, in which no task would ever run.
        OperationError: Ray did not start, or the cluster did not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune's tables; the tune job says what a trial gave
    if settings.quiet:
        os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")  # a page a run otherwise; failures raise anyway
    if os.environ.get("RAY_ADDRESS"):
        for name, value in NOTICED.items():
            os.environ.setdefault(name, value)
    close_to_others()
    import ray  # here, after the environment is set: Ray reads it on import

    if ray.is_initialized():
        yield
        return
    common: dict[str, Any] = {
        "runtime_env": {"env_vars": ONE_THREAD},
        "logging_level": logging.WARNING if settings.quiet else logging.INFO,
        "log_to_driver": not settings.quiet,
    }
    if os.environ.get("RAY_ADDRESS"):
        address = os.environ["RAY_ADDRESS"]
        failed = f"No cluster answers at `RAY_ADDRESS` = {address}: start it, or unset it for a Ray of the job's own"
        _require_listener(address, resources.wait_s, failed)
        _init(failed, **common)
        try:
            require({"CPU": 1}, resources.wait_s, "A CPU for tasks on the cluster that `RAY_ADDRESS` names")
        except UserError:
            ray.shutdown()
            raise
    else:
        _init(
            "Ray did not start: a machine that is busy, or short of memory or disk, is too slow for it. Run the same "
            "command again when it is free",
            address="local",
            num_cpus=settings.num_cpus,
            object_store_memory=settings.object_store_mb * 2**20,
            include_dashboard=False,
            **common,
        )
    say_state("running")
    try:
        yield
    finally:
        ray.shutdown()


def close_to_others() -> None:
    """Have a local Ray ask for a token that this process and its children alone know; call it before Ray is imported.

    Ray listens on every address of the machine, and runs what it is sent. Where the mode is unset, it would write a
    token into the person's home. A Ray that was imported before, by a notebook, has read its environment already.
    """
    if os.environ.get("RAY_ADDRESS") or "RAY_AUTH_MODE" in os.environ:
        return
    if "ray" in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "disabled"
    else:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _require_listener(address: str, wait_s: float, failed: str) -> None:
    """Ray itself tries for a quarter of an hour to reach `host:port` where nothing listens. Raises OperationError."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        return  # `auto`, `ray://...`: Ray knows where
    until = time.monotonic() + wait_s
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=max(wait_s, 1.0)).close()
            return
        except OSError as error:
            if time.monotonic() >= until:
                raise OperationError(f"{failed} ({error}).") from error
        time.sleep(CHECK_EVERY_S)


def _init(failed: str, **given: Any) -> None:
    """`ray.init`, whose errors are of any kind.

    Args:
        failed: what it means and what to do, without a full stop.
    """
    import ray

    try:
        ray.init(**given)
    except Exception as error:  # a start that takes too long is a bare Exception
        ray.shutdown()  # what of it did start
        said = " ".join(str(error).split())
        raise OperationError(f"{failed} ({type(error).__name__}: {said[:300]}).") from error
