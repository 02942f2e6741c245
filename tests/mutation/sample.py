"""`python -m mutation.sample --mutants 160 --minutes 60`: does a test fail where the code is wrong?

A fixed sample of small faults in the NumPy reference of `imu` and `body`, in `windows` and in what splits people, each
run against the tests of its module. Prints a line a mutant and a table; exit code 0: nine of ten are killed.

Own code, for mutmut 3 takes the folder `platform` for a part of the modules' names and finds no test that reaches them,
and neither it nor cosmic-ray draws a fixed sample or shares the seconds that importing takes.
"""

import argparse
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from mutation.mutants import Mutant, mutants_of, with_fault

REPO = Path(__file__).resolve().parents[2]
SEED = 9
LEAST_KILLED = 0.9
SLOW_S = 240
"""A mutant that has not failed by then hangs; the slowest set of tests takes a tenth of it."""

TESTS: dict[str, Sequence[str]] = {
    "imu.device": ["device", "prepare_device"],
    "imu.device_models": ["device", "own_yaml", "device_evidence"],
    "imu.frames": ["kinematics", "mounting", "orientation", "windows"],
    "imu.kinematics": ["kinematics", "presets"],
    "imu.measurement": ["measurement"],
    "imu.mounting": ["mounting"],
    "imu.orientation": ["orientation"],
    "imu.placement_error": ["placement_error"],
    "imu.presets": ["presets", "own_yaml", "placement_error"],
    "imu.virtual": ["kinematics", "presets", "placement_error"],
    "body.models": ["smpl_family", "smpl_body", "review_takes"],
    "body.placement": ["skeleton_body", "smpl_body", "placement_error", "own_yaml"],
    "body.skeleton": ["skeleton_body", "rigs"],
    "body.smpl": ["smpl_body", "smpl_family"],
    "body.subjects": ["smpl_family"],
    "windows.cut": ["windows"],
    "windows.features": ["windows", "heading", "invariants"],
    "windows.heading": ["heading"],
    "windows.invariants": ["invariants"],
    "windows.schema": ["windows", "invariants", "studies"],
    "windows.settings": ["windows", "heading", "hostile_settings", "invariants"],
    "windows.split": ["windows", "hostile_settings", "folds"],
    "windows.upsample": ["upsample"],
    "windows.windowing": ["windows", "heading", "invariants", "stream"],
    "tuning.folds": ["folds"],
}
"""Module -> the unit tests that are to hold it. `body.kernel` is held to the reference by equality (test_kernel)."""


PRELOADED = (
    "numba", "numpy", "pandas", "pyarrow.parquet", "pydantic", "scipy.signal", "scipy.spatial.transform", "torch",
    "sklearn.ensemble", "sklearn.model_selection", "typer", "ruamel.yaml", "hypothesis",
)  # fmt: skip
"""Imported once, and not in every child."""


def source_of(module: str) -> str:
    return REPO.joinpath("platform", "vimu", *module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def drawn(n: int) -> list[Mutant]:
    """The sample: the same each time, as long as the code is; modules by the number of their places."""
    everywhere = [mutant for module in TESTS for mutant in mutants_of(module, source_of(module))]
    picked = random.Random(SEED).sample(everywhere, min(n, len(everywhere)))  # noqa: S311
    return sorted(picked, key=lambda m: (list(TESTS).index(m.module), m.index))


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with a fault in it, or as it is."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, _path: object, _target: object = None) -> ModuleSpec | None:
        if name != f"vimu.{self._mutant.module}":
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: ModuleType) -> None:
        source = source_of(self._mutant.module)
        exec(compile(with_fault(source, self._mutant), module.__name__, "exec"), vars(module))  # noqa: S102


def _tested(module: str, mutant: Mutant | None) -> int:
    """The exit code of the module's tests, run in a child that has not imported vimu yet."""
    pid = os.fork()
    if pid:
        deadline = time.monotonic() + SLOW_S
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return -signal.SIGKILL
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if mutant is not None:
        sys.meta_path.insert(0, _Faulty(mutant))
    files = [str(REPO / "tests" / "unit" / f"test_{name}.py") for name in TESTS[module]]
    code = 1
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]))
    finally:
        os._exit(code)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=160)
    parser.add_argument("--minutes", type=float, default=60.0, help="No further mutant is begun after that.")
    parser.add_argument("--into", type=Path, default=Path("runs/mutation.json"))
    given = parser.parse_args()
    os.chdir(REPO)
    for name in PRELOADED:
        importlib.import_module(name)
    sample = drawn(given.mutants)
    begin = time.monotonic()
    sound: dict[str, bool] = {}
    results: list[dict[str, object]] = []
    for mutant in sample:
        if time.monotonic() - begin > 60 * given.minutes:
            break
        if mutant.module not in sound:
            sound[mutant.module] = _tested(mutant.module, None) == 0
            if not sound[mutant.module]:
                print(f"the tests of {mutant.module} fail without a fault", flush=True)
                return 1
        killed = _tested(mutant.module, mutant) != 0
        results.append({"module": mutant.module, "line": mutant.line, "what": mutant.what, "killed": killed})
        print(f"{'killed  ' if killed else 'SURVIVED'} {mutant.module}:{mutant.line} {mutant.what}", flush=True)
    n_killed = Counter(str(r["module"]) for r in results if r["killed"])
    n_all = Counter(str(r["module"]) for r in results)
    for module, n in n_all.items():
        print(f"{module:22} {n_killed[module]:3} of {n:3}")
    share = n_killed.total() / max(n_all.total(), 1)
    minutes = (time.monotonic() - begin) / 60
    print(f"{n_killed.total()} of {n_all.total()} killed ({share:.1%}), {len(sample)} drawn, in {minutes:.0f} minutes")
    given.into.parent.mkdir(parents=True, exist_ok=True)
    given.into.write_text(json.dumps({"seed": SEED, "drawn": len(sample), "mutants": results}, indent=1))
    return 0 if share >= LEAST_KILLED and len(results) == len(sample) else 1


if __name__ == "__main__":
    sys.exit(main())
