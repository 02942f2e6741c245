"""SIGKILL the driver at half of its calls to an endpoint: what was answered and stored is not asked again."""

import json

import pytest
from running_job import job, kill, run, settled, wait_for

from chat_server import Reply, as_rules, chat_server
from published_windows import publish_windows

pytestmark = [pytest.mark.ray, pytest.mark.chaos]
KEY = "sk-secret-0123456789"
N_WINDOWS, CONCURRENCY = 80, 4


@pytest.mark.fault(60)
def test_a_kill_at_half_repeats_no_call_whose_answer_was_stored(tmp_path):
    publish_windows(tmp_path / "runs" / "run", N_WINDOWS)
    config = tmp_path / "run.yaml"
    with chat_server(lambda request, _: Reply(json.dumps(as_rules(request)), delay_s=0.3)) as server:
        endpoint = {
            "base_url": server.base_url,
            "model": "m",
            "concurrency": CONCURRENCY,
            "requests_per_minute": 60_000,
        }
        semantics = {"backend": "openai", "endpoint": endpoint}
        ray = {"num_cpus": 1, "object_store_mb": 100}
        config.write_text(
            json.dumps({"name": "run", "runs_dir": str(tmp_path / "runs"), "semantics": semantics, "ray": ray})
        )
        staging, cache = tmp_path / "runs" / "run" / ".interpret.staging", tmp_path / "runs" / ".interpretations"
        arguments = {"script": "jobs/interpret.py", "OPENAI_API_KEY": KEY}
        with job(config, staging, **arguments) as running:
            wait_for(lambda: len(list(cache.rglob("*.json"))) >= N_WINDOWS // 2, running._is_running)
            kill(running.process.pid)
            settled(running)
            said = running.log.read_text()
        stored = {path.stem for path in cache.rglob("*.json")}
        assert N_WINDOWS // 2 <= len(stored) < N_WINDOWS, "the kill came too late"
        assert not (tmp_path / "runs" / "run" / "interpret").exists()
        before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.json")}
        asked_before = sum(server.came.values())

        code, more = run(config, **arguments)
        assert code == 0, more
        assert {path: path.stat().st_mtime_ns for path in before} == before
        repeats = sum(server.came.values()) - N_WINDOWS
        assert repeats == asked_before - len(stored) <= CONCURRENCY
        summary = json.loads((tmp_path / "runs" / "run" / "interpret" / "summary.json").read_text())
        assert summary["endpoint"]["paid_answers"] == N_WINDOWS, "those before the kill are the run's too"
        assert set(server.keys) == {f"Bearer {KEY}"}
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in said + more
    assert KEY.encode() not in everything
