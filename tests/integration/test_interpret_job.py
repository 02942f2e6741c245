"""`jobs/interpret.py` on Ray: by the rules, and by a local endpoint that misbehaves."""

import hashlib
import json
import re
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
    assert "quick rhythm" in next(r for r in rows if r["window_id"].endswith(":00002"))["rhythm"]
    sitting = next(r for r in features if r["window_id"].endswith(":00003"))
    assert sitting["acc_dominant_frequency_hz"] is None
    assert sitting["body_acc_rms"] == pytest.approx(0.05 * np.sqrt(3), rel=0.1)
    assert {r["label"] for r in rows_of(published, "labels")} == set(load_labels()[0].activities)
    assert not (published.folder / ".parts").exists()
    assert run(configured(tmp_path / "b")).fresh is False


def writing(request, nth):
    """Windows as the rules do; of labels one text that may be used, and one that may not."""
    if not (label := label_of(request)):
        return Reply(json.dumps(as_rules(request)))
    texts = [f"While {label}, all is strong and even.", f"Number {len(label)}: the motion is strong and even."]
    return Reply(json.dumps({"texts": texts}))


def label_of(request):
    """The activity that a label's prompt names; None of a window's."""
    found = re.match(r"The activity: ([\w ]+)", request["messages"][0]["content"])
    return found and found[1]


def test_the_endpoint_writes_what_it_is_asked_and_another_run_takes_its_answers(local_ray, tmp_path):
    activities, published = set(load_labels()[0].activities), {}
    semantics = {"written_label_texts": 2, "cache": str(tmp_path / "cache")}
    with chat_server(writing) as server:
        for name in ("a", "b"):
            publish_windows(tmp_path / name / "run", 24)
            prices = {"usd_per_million_in": 1.0, "usd_per_million_out": 10.0}
            published[name] = run(by_endpoint(tmp_path / name, server, semantics=semantics, **prices))
    rows = rows_of(published["a"])
    assert all(r["backend"] == "openai" and r["accepted"] and r["round"] == 1 for r in rows)
    written = [r for r in rows_of(published["a"], "labels") if r["source"] == "openai"]
    assert {r["label"] for r in written} == activities
    assert all(r["text"].startswith("Number") for r in written)
    of_windows = [r for r in server.requests if label_of(r) is None]
    names = naming(load_labels()[0].words())
    assert [r for r in of_windows if names.search(json.dumps(r))] == [], "an activity's name reached a window's prompt"
    n = 24 + len(activities)
    assert len(of_windows) == 24
    assert len(server.requests) == n, "the second run asks nothing"
    assert published["a"].content_hash == published["b"].content_hash
    paid, none = (published[name].details["summary"]["endpoint"] for name in ("a", "b"))
    assert [paid[key] for key in COUNTED] == [n, n, 0, 100 * n, 20 * n]
    assert paid["cost_usd"] == pytest.approx(n * 300e-6)
    assert [none[key] for key in COUNTED] == [0, 0, n, 0, 0]
    assert none["cost_usd"] == 0


COUNTED = ("requests_sent", "paid_answers", "answers_of_other_runs", "tokens_in", "tokens_out")


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
        hard_gates_only = {"judge": {"n_mads": 50.0}, "cache": str(tmp_path / "cache")}
        published = run(by_endpoint(tmp_path, server, semantics=hard_gates_only))
        asked = len(server.requests)
        publish_windows(tmp_path / "unjudged" / "run", 60)
        without_judge = {"judge": None, "cache": str(tmp_path / "cache")}
        unjudged = run(by_endpoint(tmp_path / "unjudged", server, semantics=without_judge))
        assert len(server.requests) == asked, "the first round is the same, and answered"
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
    summary = json.loads((published.folder / "summary.json").read_text())
    assert summary["by_rules"] == len(given_up)
    assert summary["endpoint"]["requests_sent"] == asked > summary["endpoint"]["paid_answers"]

    taken = rows_of(unjudged)
    assert [r for r in taken if "walking" in r["text"]], "without judge all that can be read is taken"
    assert {r["outcome"] for r in rows_of(unjudged, "acceptance")} == {"asked", "accepted", "schema"}
    assert {r["round"] for r in taken} == {1}


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


def test_a_spent_budget_stops_the_run_and_is_not_given_anew(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 24)
    sent = []
    with chat_server() as server:
        for _ in range(2):
            with pytest.raises(OperationError, match="token_budget"):
                run(by_endpoint(tmp_path, server, token_budget=2500, max_tokens=20))
            sent.append(len(server.requests))
    assert 3 <= sent[0] <= 20
    assert sent[1] <= sent[0] + 1, "what was paid for before counts; one shorter prompt may still fit"


@pytest.mark.parametrize(
    ("windows", "semantics", "says"),
    [
        ({"feature_set": "sensor_acc"}, {}, "feature_set` must be `sensor_acc_gyr`"),
        ({"sensors": ("waist", "chest")}, {}, "must name one of waist, chest"),
        ({}, {"sensor": "wrist"}, "must be one of waist, but is `wrist`"),
        (
            {"sensors": ("waist", "chest"), "gyroscopes": ("chest",)},
            {"sensor": "waist"},
            "must be one of chest, but is",
        ),
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


def test_one_of_several_sensors_is_taken_whatever_else_windows_hold(local_ray, tmp_path):
    for name, more in (("a", {}), ("b", {"sensors": ("chest", "waist")}), ("c", {"invariants": True})):
        publish_windows(tmp_path / name / "run", 8, **more)
    found = [rows_of(run(configured(tmp_path / name, sensor="waist")), "features") for name in "abc"]
    assert len(found[0]) == 8
    assert found[0] == found[1] == found[2]


def test_no_key_is_said_by_its_variable(local_ray, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    publish_windows(tmp_path / "run", 8)
    with chat_server() as server, pytest.raises(UserError, match="`OPENAI_API_KEY` must be set"):
        run(by_endpoint(tmp_path, server, api_key_env="OPENAI_API_KEY"))
    assert not server.requests


def test_a_missing_client_is_said_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setattr("vimu.semantics.endpoint.find_spec", lambda _: None)
    publish_windows(tmp_path / "run", 8)
    config = configured(tmp_path, backend="openai", endpoint={"base_url": "http://h/v1", "model": "m"})
    with pytest.raises(UserError, match=r"pip install 'vimu\[openai\]'"):
        interpret.plan(config)


def test_all_features_have_a_column(local_ray, tmp_path):
    publish_windows(tmp_path / "run", 4)
    schema = pq.read_schema(run(configured(tmp_path)).folder / "features.parquet")
    assert schema.names == ["window_id", "dataset", "split", *FEATURES]
    assert schema.field("jerk_rms").metadata[b"unit"] == b"m/s^3"
