"""Runs the tests of tests/faults.yaml's rows and writes docs/reliability.md: `make reliability`.

    python tests/reliability.py                # runs all of them, then writes the page
    python tests/reliability.py --not chaos    # without the slow ones, whose last results stand
    python tests/reliability.py --not fast
    python tests/reliability.py --fault 8      # one row's again; the others' last results stand
    python tests/reliability.py --list         # the rows' tests as JSON; runs nothing, writes nothing

How each test ended is kept in runs/reliability.json, which the page is written from.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPO = Path(__file__).resolve().parents[1]
TABLE, PAGE, RESULTS = (
    REPO / "tests" / "faults.yaml",
    REPO / "docs" / "reliability.md",
    REPO / "runs" / "reliability.json",
)
COMMAND = ".venv/bin/python -m pytest --fault"
SELECTED = {None: "fault", "chaos": "fault and not chaos", "fast": "fault and chaos"}
"""What is not to be run -> pytest's marker expression."""

Results = dict[str, dict[str, str]]
"""Node id -> `outcome`, `detail` and `day`."""


class Recorder:
    """A pytest plugin: which rows each test holds, and how it ended."""

    def __init__(self) -> None:
        self.rows: dict[int, list[str]] = defaultdict(list)
        self.n_of_function: Counter[str] = Counter()
        self.results: Results = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.n_of_function[_function(item.nodeid)] += 1
            for number in sorted({n for mark in item.iter_markers("fault") for n in mark.args}):
                self.rows[number].append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.results.get(report.nodeid, {}).get("outcome", "passed")
        if before == "passed" and (report.when == "call" or not report.passed):
            reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
            self.results[report.nodeid] = {
                "outcome": report.outcome, "detail": reason.removeprefix("Skipped: "), "day": f"{datetime.now(UTC):%F}",
            }  # fmt: skip

    def tests(self) -> dict[int, dict[str, list[str]]]:
        """Row -> name to show -> node ids: a function, or those of its cases that the row is about."""
        shown: dict[int, dict[str, list[str]]] = {}
        for number, ids in sorted(self.rows.items()):
            held = Counter(_function(i) for i in ids)
            names = shown.setdefault(number, {})
            for i in ids:
                whole = held[_function(i)] == self.n_of_function[_function(i)]
                names.setdefault(_function(i) if whole else i, []).append(i)
        return shown


def _function(node_id: str) -> str:
    return node_id.split("[", 1)[0]


def collected() -> Recorder:
    """The rows' tests, none of them run."""
    recorder = Recorder()
    pytest.main(["--collect-only", "-qq", "--no-summary", "-m", "", str(REPO / "tests")], plugins=[recorder])
    return recorder


def table() -> dict[int, dict[str, Any]]:
    """The rows of tests/faults.yaml by number."""
    rows: dict[int, dict[str, Any]] = YAML(typ="safe").load(TABLE.read_text())["faults"]
    return rows


def page(tests: Mapping[int, Mapping[str, Sequence[str]]], results: Results) -> str:
    """docs/reliability.md."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPO, capture_output=True, text=True).stdout
    invariants = YAML(typ="safe").load(TABLE.read_text())["invariants"]
    lines = [
        "# Reliability",
        "",
        "What may go wrong, and what must hold then. `make reliability` writes this page, from `tests/faults.yaml` and",
        "how the tests that carry a row's number ended last. Any row again:",
        "",
        "```sh",
        f"{COMMAND} 24",
        "```",
        "",
        "After any of them:",
        "",
        *(f"- **{name}** {text}" for name, text in invariants.items()),
        "",
        f"Results at {commit.strip() or 'no commit'}, Python {platform.python_version()}, {platform.machine()}.",
        "",
        "| # | fault | expected | tests | last result | again: `pytest` |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in table().items():
        of_row = tests.get(number, {})
        named = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in of_row)
        expected = row["expected"]
        if not row.get("holds", True):
            expected += f" **Does not wholly hold.** {row['reason']}"
        ended = _ended([i for ids in of_row.values() for i in ids], results)
        cells = (str(number), row["fault"], expected, named, ended, f"`--fault {number}`")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _ended(ids: Sequence[str], results: Results) -> str:
    """How a row's tests ended: `passed (3), 2026-11-22`; what did not pass is named."""
    known = [results[i] for i in ids if i in results]
    counts = Counter(r["outcome"] for r in known)
    says = [f"**{n} failed**" if outcome == "failed" else f"{outcome} ({n})" for outcome, n in sorted(counts.items())]
    says += sorted({r["detail"] for r in known if r["detail"]})
    if len(known) < len(ids):
        says.append(f"not run ({len(ids) - len(known)})")
    return ", ".join([*says, max((r["day"] for r in known), default="")]).removesuffix(", ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--not", dest="without", choices=["chaos", "fast"], help="tests that are not to be run")
    parser.add_argument("--fault", type=int, action="append", default=[], metavar="N", help="these rows' tests only")
    parser.add_argument("--list", action="store_true", help="print the rows' tests as JSON")
    given = parser.parse_args()
    if given.list:
        sys.stdout = sys.stderr
        tests = collected().tests()
        json.dump(tests, sys.__stdout__)  # type: ignore[arg-type]
        return 0
    results: Results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    runner, everything = Recorder(), collected().tests()
    rows = [f"--fault={number}" for number in given.fault]
    code = pytest.main(["-q", "-m", SELECTED[given.without], *rows, str(REPO / "tests")], plugins=[runner])
    here = {i for names in everything.values() for ids in names.values() for i in ids}
    results = {i: r for i, r in (results | runner.results).items() if i in here}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True))
    PAGE.write_text(page(everything, results))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
