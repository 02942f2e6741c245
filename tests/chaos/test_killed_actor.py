"""SIGKILL the actor that calls an endpoint and keeps pace there: it is started again, and pays for no answer twice."""

import json

import pytest
from running_job import job, kill, wait_for

from chat_server import Reply, as_rules, chat_server
from published_windows import publish_windows
from vimu.runtime.published import open_published

pytestmark = [pytest.mark.ray, pytest.mark.chaos]
ACTOR = "ray::MapWorker(Map(_preprocess)->MapBatches(HttpRequest"
N_WINDOWS, CONCURRENCY, KILL_AT = 60, 4, (0.25, 0.6)


@pytest.mark.fault(4)
def test_an_actor_that_is_killed_is_started_again(tmp_path):
    publish_windows(tmp_path / "runs" / "run", N_WINDOWS)
    config, cache = tmp_path / "run.yaml", tmp_path / "runs" / ".interpretations"
    with chat_server(lambda request, _: Reply(json.dumps(as_rules(request)), delay_s=0.5)) as server:
        endpoint = {
            "base_url": server.base_url, "model": "m", "concurrency": CONCURRENCY, "requests_per_minute": 60_000,
            "api_key_env": None,
        }  # fmt: skip
        values = {
            "name": "run", "runs_dir": str(tmp_path / "runs"), "semantics": {"backend": "openai", "endpoint": endpoint},
            "ray": {"num_cpus": 1, "object_store_mb": 100},
        }  # fmt: skip
        config.write_text(json.dumps(values))
        kills = 0
        with job(config, tmp_path / "runs" / "run" / ".interpret.staging", script="jobs/interpret.py") as running:
            for share in KILL_AT:
                wait_for(lambda share=share: len(list(cache.rglob("*.json"))) >= share * N_WINDOWS, running._is_running)
                wait_for(lambda: len(running.titled(ACTOR)) == 1, running._is_running)
                kills += kill(*running.titled(ACTOR))
            code, said = running.end()
        n_sent = sum(server.came.values())
    assert code == 0, said
    assert kills == len(KILL_AT)
    assert N_WINDOWS < n_sent <= N_WINDOWS + len(KILL_AT) * CONCURRENCY  # only what was under way is asked again
    folder = tmp_path / "runs" / "run" / "interpret"
    published = open_published(folder, made_by="-")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["endpoint"]["paid_answers"] == N_WINDOWS
    ids = published.file("interpretations.parquet").table().column("window_id").to_pylist()
    assert len(ids) == len(set(ids)) == N_WINDOWS
