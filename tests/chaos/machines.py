"""Machines of their own addresses on this one: network namespaces on a bridge, a Ray node in each, cables to pull.

They share the disk, as machines share a file system; nothing else. Needs root and iproute2.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.processes import title
from running_job import PATIENCE_S, wait_for

PORT = 6379
NOTICED_SOONER = {"RAY_health_check_timeout_ms": "3000", "RAY_health_check_failure_threshold": "3"}
"""Ray takes a node for lost after some seconds without an answer, in place of a minute."""


@dataclass(frozen=True)
class Machines:
    """Ray nodes of one CPU each; the first is the head."""

    names: tuple[str, ...]
    hub: str
    folder: Path
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """For `RAY_ADDRESS`."""
        return f"{_ip(0)}:{PORT}"

    def command(self, i: int, *arguments: str) -> list[str]:
        """A command as machine `i` runs it."""
        return ["ip", "netns", "exec", self.names[i], *arguments]

    def pull(self, i: int) -> None:
        """Cut machine `i` off; what runs on it goes on alone."""
        _ip_link("-n", self.hub, "link", "set", f"port{i}", "down")

    def working(self, i: int, begins: str) -> list[int]:
        """Processes of machine `i` whose title begins so."""
        said = subprocess.run(["ip", "netns", "pids", self.names[i]], capture_output=True, text=True, check=True)
        return [pid for pid in map(int, said.stdout.split()) if title(pid).startswith(begins)]

    def alive(self) -> int:
        """How many nodes the head believes to be there."""
        code = (
            "import ray, logging; ray.init(logging_level=logging.ERROR, log_to_driver=False);"
            "print('NODES', sum(n['Alive'] for n in ray.nodes()))"
        )
        done = subprocess.run(
            self.command(0, sys.executable, "-c", code), env=self.environment | {"RAY_ADDRESS": self.address},
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        return int(done.stdout.rpartition("NODES")[2] or 0)


@contextmanager
def machines(n: int, resources: Sequence[str] = (), **variables: str) -> Iterator[Machines]:
    """Start them; end them and all that runs on them. Skips where this machine cannot.

    Args:
        resources: name of a resource of which each has one, besides its CPU.
        variables: of the environment of all that runs on them.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    tag = f"vimu{os.getpid() % 10000}"
    hub, names = f"{tag}hub", tuple(f"{tag}m{i}" for i in range(n))
    with ExitStack() as undo:
        probe = subprocess.run(["ip", "netns", "add", hub], capture_output=True, text=True)
        if probe.returncode:
            pytest.skip(f"network namespaces must be allowed, but: {probe.stderr.strip()}")
        undo.callback(_ip_link, "netns", "del", hub)
        _ip_link("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip_link("-n", hub, "link", "set", "bridge", "up")
        folder = Path(tempfile.mkdtemp(prefix="vimu-machines-", dir="/tmp"))  # sockets need a short path
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for i, name in enumerate(names):
            _ip_link("netns", "add", name)
            undo.callback(_ip_link, "netns", "del", name)
            _ip_link("-n", hub, "link", "add", f"port{i}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip_link("-n", hub, "link", "set", f"port{i}", "master", "bridge", "up")
            _ip_link("-n", name, "addr", "add", f"{_ip(i)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip_link("-n", name, "link", "set", device, "up")
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= variables | token | NOTICED_SOONER | {"RAY_USAGE_STATS_ENABLED": "0"}
        made = Machines(names, hub, folder, environment)
        for i in range(n):
            undo.callback(_end_all, names[i])
            _start(made, i, resources[i] if resources else None)
        wait_for(lambda: made.alive() == n)
        yield made


def _start(made: Machines, i: int, resource: str | None) -> None:
    where = ["--head", f"--port={PORT}", "--include-dashboard=false"] if i == 0 else [f"--address={made.address}"]
    where += [] if resource is None else ["--resources", json.dumps({resource: 1})]
    log = made.folder / f"node-{i}.log"
    with log.open("wb") as stream:
        subprocess.Popen(
            made.command(
                i, sys.executable, "-m", "ray.scripts.scripts", "start", *where, f"--node-ip-address={_ip(i)}",
                "--block", "--num-cpus=1", "--object-store-memory=100000000", f"--temp-dir={made.folder}/{i}",
                "--disable-usage-stats",
            ),
            env=made.environment, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    if i == 0:
        time.sleep(1)
        wait_for(lambda: "Ray runtime started" in log.read_text() or "--address" in log.read_text())


def _end_all(name: str) -> None:
    """SIGKILL whatever runs in a namespace, until nothing does: `ip netns pids` names no process of anybody else."""
    for _ in range(50):
        said = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
        if not (pids := said.stdout.split()):
            return
        for pid in map(int, pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def _ip(i: int) -> str:
    return f"10.77.0.{i + 1}"


def _ip_link(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
