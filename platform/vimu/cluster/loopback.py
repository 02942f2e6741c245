"""A Ray cluster of two nodes on this machine, closed to others by a token; its dashboard is on loopback.

Ray turns a loopback address for its nodes into the machine's own: the token is what closes their ports.

What it starts it ends, by process group; `ray stop` would end every Ray on the machine.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vimu.runtime.errors import OperationError

PATIENCE_S = 120.0
STORE_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Loopback:
    """A cluster that runs."""

    gcs: str
    """`host:port`, for `RAY_ADDRESS`."""
    dashboard: str
    """`http://...`, for `vimu submit --address`."""
    environment: Mapping[str, str]
    """What a client needs: authentication, and where the token is."""
    logs: Path


@contextmanager
def loopback_cluster(n_nodes: int = 2) -> Iterator[Loopback]:
    """Start nodes of one CPU each; end them.

    Raises:
        OperationError: the head did not start; the message has the end of what it said.
    """
    folder = Path(tempfile.mkdtemp(prefix="vimu-ray-", dir="/tmp"))  # nosec B108
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="ascii")
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    gcs, dashboard = _free_port(), _free_port()
    common = [
        "--block", "--num-cpus=1", f"--object-store-memory={STORE_BYTES}", "--node-ip-address=127.0.0.1",
        "--disable-usage-stats",
    ]  # fmt: skip
    head = [
        "--head", f"--port={gcs}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}",
        "--include-dashboard=true", f"--ray-client-server-port={_free_port()}",
    ]  # fmt: skip
    with ExitStack() as started:
        started.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Loopback(f"127.0.0.1:{gcs}", f"http://127.0.0.1:{dashboard}", environment, folder)
        for i in range(n_nodes):
            arguments = head if i == 0 else [f"--address={cluster.gcs}"]
            # what nodes of one machine cannot share: a port, and the folder that working folders are unpacked in
            own = [f"--dashboard-agent-listen-port={_free_port()}", f"--temp-dir={folder}/{i}"]
            log = folder / f"node-{i}.log"
            process = started.enter_context(_node([*arguments, *common, *own], environment, log))
            if i == 0:
                _until(lambda: _listens(gcs) and _listens(dashboard), process, log)
        yield cluster


@contextmanager
def _node(arguments: list[str], environment: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 (our own arguments)  # nosec B603
            [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments],
            env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | dict(environment),
            stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask first: a node ends its own processes. Then the whole group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        code = process.poll()
        if code is not None or time.monotonic() > deadline:
            what = f"has not in {PATIENCE_S:g} s" if code is None else f"ended with exit code {code}"
            last = " ".join(log.read_text(errors="replace").split()[-40:])
            raise OperationError(f"A Ray node must start, but {what}; its last words: {last}")
        time.sleep(0.2)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
