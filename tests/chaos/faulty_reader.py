"""A package whose reader of AMASS files meets faults: the disk's, the machine's, its own death; or is slow.

What it does is in the environment variable FAULT: JSON of `file` (a name), `fault`, `times`, and `tokens`, a folder
where each fault leaves a file; or of `seconds` that each file takes.
"""

import json
import os
from pathlib import Path

from ruamel.yaml import YAML

from toy_package import install

MODULE = """
import errno
import json
import os
import resource
import signal
import time
from pathlib import Path
from unittest.mock import patch

from vimu.archives.amass import read_amass

FAULT = json.loads(os.environ["FAULT"])


def read(path, config, root=None):
    if "seconds" in FAULT:
        time.sleep(FAULT["seconds"])
    elif path.name == FAULT["file"] and path.parent.name == "subject_01" and takes_a_token():
        if FAULT["fault"] == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        elif FAULT["fault"] == "full disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        else:
            error = MemoryError() if FAULT["fault"] == "no memory" else OSError(errno.EIO, "Input/output error")
            with patch("zipfile.ZipFile", side_effect=error):
                return read_amass(path, config, root)
    return read_amass(path, config, root)


def takes_a_token():
    for n in range(FAULT["times"]):
        try:
            (Path(FAULT["tokens"]) / str(n)).touch(exist_ok=False)
            return True
        except FileExistsError:
            pass
    return False
"""
ENTRY_POINTS = """
[vimu.archive_readers]
faulty = faultyreader:read
"""


def faulty_environment(folder: Path, **fault: object) -> dict[str, str]:
    """Environment of a job that is to meet a fault; `folder` is that of `faulty_archive`."""
    return {
        "FAULT": json.dumps(fault),
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")]),
    }


def faulty_archive(folder: Path, amass_yaml: Path) -> Path:
    """The package, installed into `folder/site`, and AMASS's YAML with its reader."""
    install(folder / "site", "faultyreader", module=MODULE, entry_points=ENTRY_POINTS)
    facts = YAML(typ="safe").load(amass_yaml.read_text()) | {"reader": "faulty"}
    with (folder / "faulty.yaml").open("w") as stream:
        YAML(typ="safe").dump(json.loads(json.dumps(facts)), stream)
    return folder / "faulty.yaml"
