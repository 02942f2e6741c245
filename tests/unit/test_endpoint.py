"""Calls over real HTTP to a local endpoint that misbehaves, without Ray around them."""

import asyncio
import json
import time
from email.utils import formatdate

import pytest

from chat_server import Reply, always, chat_server
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError
from vimu.semantics.cache import Answer, Cache, request_key
from vimu.semantics.endpoint import Caller
from vimu.semantics.pacing import Budget, Pace, backoff_s, retry_after_s
from vimu.semantics.settings import EndpointSettings

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def api_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(server, tmp_path, n=1, spent=0, **changes):
    """`n` different requests at once, as the processor sends them; the reports and the cache."""
    quick = {"backoff_s": 0.01, "timeout_s": 60.0, "requests_per_minute": 60_000, "max_tokens": 50, "max_tries": 3}
    settings = EndpointSettings(base_url=server.base_url, model="m", **quick | changes)
    caller = Caller(settings, str(tmp_path), "run", spent)
    requests = [json.dumps({"model": "m", "messages": [{"role": "user", "content": f"window {i}"}]}) for i in range(n)]
    keys = [request_key(json.loads(request), "v") for request in requests]

    async def run():
        async with caller() as session:
            waiting = [
                session.post(
                    f"{server.base_url}/chat/completions", headers={}, data=json.dumps({"key": k, "request": r})
                )
                for k, r in zip(keys, requests, strict=True)
            ]
            reports = []
            for one in waiting:
                async with await one as response:
                    reports.append(await response.json())
            return reports

    return asyncio.run(run()), [Cache(tmp_path).get(key) for key in keys]


@pytest.mark.fault(60)
def test_an_answer_is_stored_with_its_tokens_and_the_key_is_sent(tmp_path):
    with chat_server(always(Reply("fine"))) as server:
        reports, answers = ask(server, tmp_path)
    assert reports == [{"outcome": "stored", "detail": "", "calls": 1}]
    assert answers == [Answer("fine", 100, 20, "run")]
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_what_is_stored_is_not_asked_again(tmp_path):
    with chat_server(always(Reply("fine"))) as server:
        ask(server, tmp_path, n=4)
        reports, answers = ask(server, tmp_path, n=5)
    assert sum(server.came.values()) == 5
    assert [report["calls"] for report in reports] == [0, 0, 0, 0, 1]
    assert all(answers)


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=500, body="oops"), Reply(status=503, body="{}"), Reply(status=408, body=""),
        Reply("half", breaks_off=True), Reply(body='{"choices": [{"mess'), Reply(body="[]"),
        Reply(body='{"choices": []}'),
        Reply(body='{"choices": [{"message": {"content": null}}]}'), Reply(status=400, body="this one has no luck"),
    ],
)  # fmt: skip
def test_a_fault_is_tried_again_and_nothing_of_it_is_stored(tmp_path, fault):
    with chat_server(lambda _, nth: fault if nth == 0 else Reply("fine")) as server:
        reports, answers = ask(server, tmp_path)
    assert [(r["outcome"], r["calls"]) for r in reports] == [("stored", 2)]
    assert answers[0].content == "fine"


def test_what_comes_too_late_is_no_answer(tmp_path):
    with chat_server(always(Reply("late", delay_s=1.0))) as server:
        reports, answers = ask(server, tmp_path, timeout_s=0.2, max_tries=2)
    assert [(r["outcome"], r["calls"]) for r in reports] == [("no_answer", 2)]
    assert "Timeout" in reports[0]["detail"]
    assert answers == [None]


def test_what_never_answers_is_given_up_after_its_tries(tmp_path):
    def behaviour(request, nth):
        return Reply(status=500, body="down") if "window 1" in str(request) else Reply("fine")

    with chat_server(behaviour) as server:
        reports, answers = ask(server, tmp_path, n=3)
    assert [r["outcome"] for r in reports] == ["stored", "no_answer", "stored"]
    assert reports[1] == {"outcome": "no_answer", "detail": "500: down", "calls": 3}
    assert [a is not None for a in answers] == [True, False, True]


def test_an_endpoint_that_is_down_stops_the_run_soon(tmp_path):
    with chat_server(always(Reply(status=502))) as server:
        reports, _ = ask(server, tmp_path, n=40, concurrency=2, give_up_after=3)
    assert reports[-1]["outcome"] == "down"
    assert len(server.requests) < 40


def test_retry_after_is_honoured_by_all_that_wait(tmp_path):
    busy = Reply(status=429, headers={"Retry-After": "0.4"})
    with chat_server(lambda request, nth: busy if nth == 0 and "window 0" in str(request) else Reply("f")) as server:
        reports, _ = ask(server, tmp_path, n=6, concurrency=1)
    assert all(r["outcome"] == "stored" for r in reports)
    assert server.times[1] - server.times[0] >= 0.4


@pytest.mark.fault(60)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run_and_its_message_hides_the_key(tmp_path, status):
    with chat_server(always(Reply(status=status, body=f"Incorrect API key: {KEY}"))) as server:
        reports, _ = ask(server, tmp_path, n=20, concurrency=2)
    assert {r["outcome"] for r in reports} == {"refused"}
    assert reports[0]["detail"] == f"{status}: Incorrect API key: ***"
    assert len(server.requests) <= 2


def test_an_account_without_credit_is_not_waited_for(tmp_path):
    reply = Reply(status=429, body='{"error": {"code": "insufficient_quota"}}')
    with chat_server(always(reply)) as server:
        reports, _ = ask(server, tmp_path)
    assert (reports[0]["outcome"], len(server.requests)) == ("refused", 1)


def test_the_budget_is_not_exceeded(tmp_path):
    with chat_server(always(Reply("fine"))) as server:
        reports, answers = ask(server, tmp_path, n=20, concurrency=3, max_tokens=100, token_budget=1000, spent=300)
    assert reports[-1]["outcome"] == "budget"
    assert 3 <= len(server.requests) <= 5, "700 tokens at 120 a call"
    assert sum(a.tokens for a in answers if a) <= 700


def test_no_more_requests_are_under_way_than_allowed_and_as_many_as_that(tmp_path):
    with chat_server(always(Reply("fine", delay_s=0.1))) as server:
        ask(server, tmp_path, n=12, concurrency=4)
    assert server.most_at_once == 4


def test_the_rate_is_kept(tmp_path):
    with chat_server(always(Reply("fine"))) as server:
        begun = time.monotonic()
        ask(server, tmp_path, n=6, requests_per_minute=60 / 0.08)
    assert time.monotonic() - begun >= 5 * 0.08


def test_an_endpoint_without_key_gets_none(tmp_path):
    with chat_server(always(Reply("fine"))) as server:
        ask(server, tmp_path, api_key_env=None)
    assert server.keys == [None]


# --- pieces ---


def test_a_damaged_entry_is_as_none(tmp_path):
    cache = Cache(tmp_path)
    key = request_key({"model": "m"}, "v")
    cache.put(key, "{}", Answer("fine", 1, 2, "run"))
    [path] = tmp_path.rglob("*.json")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"[]", whole.replace(key.encode(), b"0" * 64), b"\xff\xfe"):
        path.write_bytes(damaged)
        assert cache.get(key) is None
    path.write_bytes(whole)
    assert cache.get(key) == Answer("fine", 1, 2, "run")


def test_another_prompt_version_or_parameter_is_another_entry():
    keys = {request_key({"model": m, "temperature": t}, v) for m in "ab" for t in (0, 1) for v in "vw"}
    assert len(keys) == 8


def test_retry_after_is_read_as_number_or_date():
    now = 1_700_000_000.0
    assert retry_after_s("2", now) == 2.0
    assert retry_after_s(formatdate(now + 30, usegmt=True), now) == pytest.approx(30, abs=1)
    assert retry_after_s("soon", now) is None
    assert retry_after_s(None, now) is None
    assert retry_after_s("-5", now) == 0.0


def test_backoff_doubles_and_is_bounded():
    waits = [backoff_s(n, base_s=1.0, most_s=5.0, key="8000") for n in range(5)]
    assert waits == pytest.approx([1.0, 2.0, 4.0, 5.0, 5.0], rel=0.01)


def test_turns_are_spaced_and_put_off_by_a_pause():
    now = [0.0]
    pace = Pace(60.0, clock=lambda: now[0])
    started = []

    async def sleep(seconds):
        now[0] += seconds

    async def run(monkeypatch):
        monkeypatch.setattr(asyncio, "sleep", sleep)
        for i in range(5):
            await pace.turn()
            started.append(now[0])
            if i == 2:
                pace.pause(10.0)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(run(patch))
    assert started == [0.0, 1.0, 2.0, 12.0, 13.0]


def test_the_budget_counts_what_is_under_way():
    budget = Budget(100, 40)
    assert budget.reserve(50)
    assert not budget.reserve(20)
    budget.settle(50, 30)
    assert budget.reserve(30)
    assert not budget.reserve(1)
    assert Budget(None, 0).reserve(10**12)


def test_the_budget_learns_what_a_call_takes():
    budget = Budget(100, 0)
    assert budget.reserve(10)
    budget.settle(10, 60)
    assert not budget.reserve(10), "40 are left, and a call was seen to take 60"


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "wrong",
    [{"api_key_env": KEY}, {"base_url": f"https://me:{KEY}@host/v1"}, {"base_url": f"https://host/v1?key={KEY}"}],
)
def test_a_key_in_the_settings_is_refused_without_repeating_it(wrong):
    with pytest.raises(UserError) as caught:
        validate(EndpointSettings, {"base_url": "http://h/v1", "model": "m"} | wrong, where="x.yaml")
    assert KEY not in str(caught.value)
    assert "must be" in str(caught.value)
