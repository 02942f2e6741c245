"""Every row of tests/faults.yaml has a test, and docs/reliability.md is of these rows and tests."""

import json
import subprocess
import sys

import pytest

from reliability import PAGE, page, table


@pytest.fixture(scope="module")
def tests(repo):
    """Row -> names of its tests, as pytest itself finds them."""
    done = subprocess.run(
        [sys.executable, "tests/reliability.py", "--list"], cwd=repo, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return {int(number): names for number, names in json.loads(done.stdout).items()}


def test_every_row_has_a_test_and_every_mark_a_row(tests):
    assert sorted(table()) == list(range(1, 62))
    assert sorted(tests) == sorted(table())
    assert all(row["fault"] and row["expected"] for row in table().values())
    keys = {key for row in table().values() for key in row}  # a comma without quotes cuts a sentence in two
    assert keys == {"fault", "expected", "holds", "reason"}
    assert all(row.get("holds", True) or row["reason"] for row in table().values())


def test_the_page_is_of_these_rows_and_tests(tests):
    """Make it again: `make reliability`. Only dates, commits and results may differ."""

    def said(text):
        lines = text.splitlines()
        cells = [line.split(" | ") for line in lines if line.startswith("| ")]
        head = [line for line in lines if not line.startswith(("| ", "Results at "))]
        return head, [[*row[:-2], row[-1]] for row in cells]

    assert said(PAGE.read_text()) == said(page(tests, {}))


def test_a_row_says_how_its_tests_ended(tests):
    ids = [i for names in tests[1].values() for i in names]
    results = {i: {"outcome": "passed", "detail": "", "day": "2026-01-02"} for i in ids[1:]}
    results[ids[0]] = {"outcome": "failed", "detail": "", "day": "2026-01-01"}
    [line] = [line for line in page(tests, results).splitlines() if line.startswith("| 1 |")]
    assert f"**1 failed**, passed ({len(ids) - 1}), 2026-01-02" in line
    [line] = [line for line in page(tests, {}).splitlines() if line.startswith("| 1 |")]
    assert f"| not run ({len(ids)}) |" in line
