"""How far a loop is, in lines and as metrics; logs as JSON; the dashboard that draws the metrics."""

import json
import os
import re
import subprocess
import sys

import pytest

from vimu.runtime import metrics, progress
from vimu.runtime.console import console
from vimu.runtime.progress import tracked

OF_RAY = {"ray_node_cpu_utilization", "ray_node_mem_used"}
"""Of Ray's own, those that the dashboard draws."""


def test_the_dashboard_draws_every_metric_and_no_other(repo):
    board = json.loads((repo / "deploy" / "grafana" / "vimu.json").read_text())
    text = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    drawn = set(re.findall(r"\bray_\w+", text))
    ours = {f"ray_{name}" for name in metrics.GAUGES} | {f"ray_{name}_total" for name in metrics.COUNTERS}
    assert drawn == ours | OF_RAY
    labels = {name: of for kind in (metrics.GAUGES, metrics.COUNTERS) for name, (_, of) in kind.items()}
    for wanted, name in re.findall(r"by \(([^)]*)\) \((?:rate\()?ray_(vimu_\w+?)(?:_total)?\{", text):
        assert set(wanted.split(", ")) <= set(labels[name]), f"{name} has no such label"


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch, capsys):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(type(console), "is_terminal", False)
    assert list(tracked(list(range(100)), "tasks", total=100)) == list(range(100))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  tasks 10 of 100, 33 s, 297 s left"
    assert lines[-1].startswith("  tasks all done, ")
    assert len(lines) == 10


def test_what_takes_a_moment_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(type(console), "is_terminal", False)
    assert list(tracked(iter("abc"), "tasks", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_nothing_is_recorded_outside_of_a_stage_or_without_ray():
    assert metrics.labels() == {}
    with metrics.of_stage("a run", "prepare"):
        assert metrics.labels() == {"run": "a run", "stage": "prepare"}
        metrics.count("vimu_made", 3, unit="windows")
    assert metrics.labels() == {}


JOB = """
import sys
from vimu.runtime.console import console
from vimu.runtime.json_lines import log_as_asked
log_as_asked("synthesize")
console.print("[bold]ab[/] " + "\u00e9" * 300, markup=True)
console.print("")
print("no end", end="", file=sys.stderr)
raise SystemExit(3) if len(sys.argv) > 1 else ValueError("two\\nlines")
"""


@pytest.mark.parametrize("given", [[], ["code"]])
def test_every_line_of_a_log_in_json_is_an_object_with_the_run_s_id(given):
    done = subprocess.run(
        [sys.executable, "-c", JOB, *given], env=os.environ | {"VIMU_LOG": "json", "VIMU_SUBMISSION": "s-1"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == (3 if given else 1)
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert rows[0]["message"] == "ab " + "\u00e9" * 300
    assert {(row["job"], row["submission"], row["run_id"]) for row in rows} == {
        ("synthesize", "s-1", rows[0]["run_id"])
    }
    said = [row["message"] for row in rows]
    assert said[-1] == "no end" if given else said[-2:] == ["ValueError: two", "lines"]


def test_another_form_of_log_is_refused_with_exit_2(repo):
    done = subprocess.run(
        [sys.executable, "jobs/synthesize.py", "--config", "configs/demo.yaml", "--dry-run"],
        env=os.environ | {"VIMU_LOG": "xml"}, cwd=repo, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, "`VIMU_LOG` must be text or json, but is xml" in done.stderr) == (2, True)
