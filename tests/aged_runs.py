"""Runs as jobs leave them, made older, and what `vimu gc` would do with them."""

import json
import os
import socket
import time

from typer.testing import CliRunner

from vimu.cli import app
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.runtime.status import Status
from vimu.stages.retention import survey

DAYS = 14.0


def stage(run, name, content="x", **identity):
    """A published stage; its content hash is its content."""

    def build(staging, _):
        (staging / "table").write_text(content)
        return Outcome(counts={"rows": 1}, content_hash=f"hash of {content}")

    return publish(run / name, identity={"stage": name, **identity}, build=build, made_by="test")


def staging(run, name="pretrain", n_bytes=1000, **identity):
    """What a killed job leaves, with a checkpoint of Ray Train's in it."""
    folder = run / f".{name}.staging"
    (folder / ".ray" / "checkpoint_000001").mkdir(parents=True)
    (folder / ".ray" / "checkpoint_000001" / "model.pt").write_bytes(bytes(n_bytes))
    (folder / ".identity.json").write_text(json.dumps({"stage": name, **identity}))
    return folder


def aged(place, days=30.0):
    """The same, untouched for so many days."""
    then = time.time() - days * 86400
    for path in [place, *place.rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)
    return place


def job(run, state="running", host=None, pid=None, name="pretrain"):
    status = Status(
        name, state, None, "2026-01-01T00:00:00+00:00", None, host or socket.gethostname(), pid or 2**22 + 1, None
    )
    (run / ".status").mkdir(parents=True, exist_ok=True)
    (run / ".status" / f"{name}.json").write_text(json.dumps(status.__dict__))


def going(folder, /, **options):
    found = survey(folder, **{"older_than_days": DAYS} | options)
    return sorted(str(p.place.relative_to(folder)) for p in found if p.stays is None)


def staying(folder, /, **options):
    found = survey(folder, **{"older_than_days": DAYS} | options)
    return {str(p.place.relative_to(folder)): p.stays for p in found if p.stays is not None}


def gc(*arguments):
    result = CliRunner().invoke(app, ["gc", *map(str, arguments)])
    return result.exit_code, result.output
