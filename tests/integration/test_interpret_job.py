"""`jobs/interpret.py` on Ray: by the rules, and by a local endpoint that misbehaves."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from chat_server import Reply, always, as_rules, chat_server, numbers_in
from published_windows import publish_windows
from vimu.runtime.config import validate
from vimu.runtime.errors import OperationError, UserError
from vimu.semantics.catalogue import FEATURES
from vimu.semantics.labels import load_labels, naming
from vimu.semantics.schema import FIELDS
from vimu.stages import interpret
from vimu.stages.config import Config

pytestmark = pytest.mark.ray
KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def api_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def configured(folder: Path, **semantics) -> Config:
    raw = {"name": "run", "runs_dir": str(folder), "semantics": semantics}
    return validate(Config, raw | {"ray": {"num_cpus": 1, "object_store_mb": 100}}, where="test")


def by_endpoint(folder: Path, server, *, semantics=None, **endpoint) -> Config:
    settings = {
        "base_url": server.base_url, "model": "local", "requests_per_minute": 60_000, "backoff_s": 0.01, "max_tries": 3,
        "concurrency": 4, "api_key_env": None,
    }  # fmt: skip
    return configured(folder, backend="openai", endpoint=settings | endpoint, **semantics or {})


def run(config: Config):
    return interpret.STAGE.run(config, interpret.plan(config), "test.yaml")


def rows_of(published, table="interpretations"):
    return pq.read_table(published.folder / f"{table}.parquet").to_pylist()


def test_rules_write_every_window_and_the_same_bytes_again(local_ray, tmp_path):
    texts = []
    for name in ("a", "b"):
        publish_windows(tmp_path / name / "run", 48, shards=3)
        published = run(configured(tmp_path / name))
        texts.append((published.folder / "interpretations.parquet").read_bytes())
    assert texts[0] == texts[1]
    rows, features = rows_of(published), rows_of(published, "features")
    assert [r["window_id"] for r in rows] == sorted(r["window_id"] for r in features) and len(rows) == 48
    assert all(r["backend"] == "rules" and r["round"] == 1 for r in rows)
    assert all(r["text"] == " ".join(r[field] for field in FIELDS) for r in rows)
    assert "quick rhythm" in next(r for r in rows if r["window_id"] == "made:00002")["rhythm"]
    sitting = next(r for r in features if r["window_id"] == "made:00003")
    assert sitting["acc_dominant_frequency_hz"] is None
    assert sitting["body_acc_rms"] == pytest.approx(0.05 * np.sqrt(3), rel=0.1)
    assert {r["label"] for r in rows_of(published, "labels")} == set(load_labels()[0].activities)
    assert not (published.folder / ".parts").exists()
    assert run(configured(tmp_path / "b")).fresh is False


def test_the_endpoint_writes_what_it_is_asked_and_knows_nothing_else(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 24)
    with chat_server() as server:
        published = run(by_endpoint(tmp_path, server, usd_per_million_in=1.0, usd_per_million_out=10.0))
    rows = rows_of(published)
    assert all(r["backend"] == "openai" and r["accepted"] and r["round"] == 1 for r in rows)
    names = naming(load_labels()[0].words())
    leaks = [r for r in server.requests if names.search(json.dumps(r))]
    assert leaks == [], "an activity's name reached a window's prompt"
    assert len(server.requests) == 24 == len(server.answered)
    endpoint = published.details["summary"]["endpoint"]
    assert (endpoint["paid_answers"], endpoint["tokens_in"], endpoint["tokens_out"]) == (24, 2400, 480)
    assert endpoint["cost_usd"] == pytest.approx(2400e-6 + 4800e-6)


def fault_of(request):
    """A fault of each window's own, by its numbers."""
    return int(hashlib.sha256(str(numbers_in(request)).encode()).hexdigest(), 16) % 6


def misbehaving(request, nth):
    """Each window has its own fault at first; asked again with the reasons, all but one mend it."""
    numbers, again = numbers_in(request), len(request["messages"]) > 2
    faultless, which = as_rules(request), fault_of(request)
    if nth == 0 and which == 0:
        return Reply(status=429, headers={"Retry-After": "0.05"})
    if nth == 0 and which == 1:
        return Reply(status=500, body="<html>")
    if which == 5 or not again:
        if which in (2, 5):
            return Reply(json.dumps(faultless)[:-200])
        if which == 3:
            faultless["strength"]["numbers"]["body_acc_rms"] = 1.5 * numbers["body_acc_rms"]
        if which == 4:
            faultless["rhythm"]["text"] += " Someone is walking."
    return Reply(json.dumps(faultless), delay_s=0.02)


def test_what_misbehaves_is_written_again_and_at_last_by_the_rules(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 60)
    with chat_server(misbehaving) as server:
        hard_gates_only = {"judge": {"n_mads": 50.0}}
        published = run(by_endpoint(tmp_path, server, semantics=hard_gates_only))
    rows = rows_of(published)
    first = {tuple(m["content"] for m in r["messages"][:2]) for r in server.requests}
    kinds = {fault_of(r) for r in server.requests}
    assert (len(first), kinds) == (60, set(range(6)))
    table = {(r["round"], r["outcome"]): r["windows"] for r in rows_of(published, "acceptance")}
    assert table[1, "asked"] == 60
    assert {outcome for number, outcome in table if number == 1} >= {"schema", "number", "activity_name", "accepted"}
    assert table[2, "asked"] == 60 - table[1, "accepted"] > 0
    given_up = [r for r in rows if not r["accepted"]]
    assert given_up and all(
        r["backend"] == "rules" and r["round"] == 3 and "schema" in r["reasons"][0] for r in given_up
    )
    assert {r["round"] for r in rows if r["accepted"]} == {1, 2}
    assert not [r for r in rows if "walking" in r["text"]]
    reasons = [r["messages"][-1]["content"] for r in server.requests if len(r["messages"]) > 2]
    assert any("quotes" in text and "body_acc_rms" in text for text in reasons)
    assert any("`walking`" in text for text in reasons)
    assert json.loads((published.folder / "summary.json").read_text())["by_rules"] == len(given_up)


def test_without_judge_all_that_can_be_read_is_taken(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 60)
    with chat_server(misbehaving) as server:
        published = run(by_endpoint(tmp_path, server, semantics={"judge": None}))
    rows = rows_of(published)
    assert [r for r in rows if "walking" in r["text"]]
    assert {r["outcome"] for r in rows_of(published, "acceptance")} == {"asked", "accepted", "schema"}
    assert {r["round"] for r in rows} == {1}


def test_another_run_uses_the_answers_of_the_first(local_ray, tmp_path):
    with chat_server() as server:
        for name in ("a", "b"):
            publish_windows(tmp_path / name / "run", 16)
            settings = {"cache": str(tmp_path / "cache")}
            published = run(by_endpoint(tmp_path / name, server, semantics=settings))
        assert len(server.requests) == 16
    endpoint = published.details["summary"]["endpoint"]
    assert (endpoint["paid_answers"], endpoint["answers_of_other_runs"], endpoint["cost_usd"]) == (0, 16, 0.0)


def test_the_endpoint_writes_label_texts_that_do_not_name_the_activity(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 4)

    def behaviour(request, nth):
        prompt = request["messages"][0]["content"]
        if not prompt.startswith("The activity:"):
            return Reply(json.dumps(as_rules(request)))
        name = re.search(r"The activity: ([\w ]+)", prompt)[1]
        plain = f"Number {len(name)}: the motion is strong and comes evenly."
        texts = [f"While {name}, all is strong and even."] + ([plain] if len(request["messages"]) > 1 else [])
        return Reply(json.dumps({"texts": texts}))

    with chat_server(behaviour) as server:
        published = run(by_endpoint(tmp_path, server, semantics={"written_label_texts": 2}))
    written = [r for r in rows_of(published, "labels") if r["source"] == "openai"]
    assert {r["label"] for r in written} == set(load_labels()[0].activities)
    assert all(r["text"].startswith("Number") for r in written)


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (Reply(status=401, body="wrong key"), UserError, "cannot be used: 401: wrong key"),
        (Reply(status=500, body="oops"), OperationError, "gave no answer to 5 requests in a row"),
    ],
)
def test_an_endpoint_that_refuses_or_is_down_ends_the_run(local_ray, tmp_path, reply, error, says):
    publish_windows(tmp_path / "run", 24)
    with chat_server(always(reply)) as server, pytest.raises(error, match=says):
        run(by_endpoint(tmp_path, server))
    assert not (tmp_path / "run" / "interpret").exists()


def test_a_spent_budget_stops_and_more_of_it_goes_on_where_it_stopped(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 24)
    with chat_server() as server:
        with pytest.raises(OperationError, match="token_budget"):
            run(by_endpoint(tmp_path, server, token_budget=2500, max_tokens=20))
        paid = len(server.requests)
        assert 0 < paid <= 20
        with pytest.raises(OperationError, match="token_budget"):
            run(by_endpoint(tmp_path, server, token_budget=2500, max_tokens=20))
        published = run(by_endpoint(tmp_path, server, max_tokens=20))
    assert len(server.requests) == 24
    assert published.details["summary"]["endpoint"]["paid_answers"] == 24, "those of the runs before count"


@pytest.mark.parametrize(
    ("windows", "semantics", "says"),
    [
        ({"feature_set": "sensor_acc"}, {}, "feature_set` must be `sensor_acc_gyr`"),
        ({"sensors": ("waist", "chest")}, {}, "must name one of waist, chest"),
        ({}, {"sensor": "wrist"}, "must be one of waist, but is `wrist`"),
        ({"label": "juggling"}, {}, "lacks juggling"),
        ({}, {"rules_file": "nowhere.yaml"}, "does not exist"),
    ],
)
def test_what_cannot_be_interpreted_is_said_before_ray_starts(tmp_path, windows, semantics, says):
    publish_windows(tmp_path / "run", 8, **windows)
    with pytest.raises(UserError, match=says):
        interpret.plan(configured(tmp_path, **semantics))


def test_windows_in_g_are_refused(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 8, unit=1 / 9.80665)
    with pytest.raises(UserError, match="looks like g"):
        run(configured(tmp_path))


def test_one_of_several_sensors_is_taken(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 8, sensors=("waist", "chest"))
    assert len(rows_of(run(configured(tmp_path, sensor="chest")), "features")) == 8


def test_no_key_is_said_by_its_variable(local_ray, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    publish_windows(tmp_path / "run", 8)
    with chat_server() as server, pytest.raises(UserError, match="`OPENAI_API_KEY` must be set"):
        run(by_endpoint(tmp_path, server, api_key_env="OPENAI_API_KEY"))
    assert not server.requests


def test_the_key_is_in_no_dump(tmp_path, repo):
    config = tmp_path / "run.yaml"
    endpoint = {"base_url": "http://h/v1", "model": "m"}
    config.write_text(json.dumps({"name": "run", "semantics": {"backend": "openai", "endpoint": endpoint}}))
    done = subprocess.run(
        [sys.executable, "jobs/interpret.py", "--config", str(config), "--dump-config"], cwd=repo, env=dict(os.environ),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "OPENAI_API_KEY" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_all_features_have_a_column(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 4)
    schema = pq.read_schema(run(configured(tmp_path)).folder / "features.parquet")
    assert schema.names == ["window_id", "dataset", "split", *FEATURES]
    assert schema.field("jerk_rms").metadata[b"unit"] == b"m/s^3"
