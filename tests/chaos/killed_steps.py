"""A function's process, killed at its n-th touch of the file system by an audit hook: what it runs is left as it is."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

TOUCHES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "shutil.rmtree"}


def touches(event: str, args: tuple[object, ...], below: str) -> bool:
    """Whether an audit event changes what lies below a folder."""
    if event == "open":
        return str(args[0]).startswith(below) and isinstance(args[2], int) and bool(args[2] & os.O_ACCMODE)
    return event in TOUCHES and (str(args[0]).startswith(below) or not str(args[0]).startswith("/"))


def killed_at(n: int, below: Path, publish: Callable[[], object]) -> bool:
    """`publish()` in a process of its own, killed before its n-th touch; False where it ended before."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event, args):
            nonlocal seen
            if touches(event, args, str(below)):
                seen += 1
                if seen == n:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            publish()
        except BaseException:  # noqa: BLE001 - the parent sees it by the code
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False
