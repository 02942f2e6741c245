"""A script that starts a Ray cluster on this machine, tells in a line where it is, and ends it with its input."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def own_cluster(*script: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run it, with a `RAY_TMPDIR` of its own, until the block ends.

    Args:
        script: what Python is given.
        environment: of the cluster, besides this process's.
    """
    folder = tempfile.mkdtemp(prefix="vimu-cluster-", dir="/tmp")  # sockets need a short path
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    variables |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
    variables |= environment
    cluster = subprocess.Popen(
        [sys.executable, *script], env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert cluster.stdin is not None
    try:
        yield cluster
    finally:
        with suppress(BrokenPipeError):  # it has ended already
            cluster.stdin.close()
        cluster.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
