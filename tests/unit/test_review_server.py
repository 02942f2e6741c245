"""The server of the review page, over real HTTP: what it answers, and whom it refuses."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pytest

from reviewed import HOSTILE, N_FRAMES, SENSORS, hostile_rows, publish_clips, rows_of, served
from vimu.clips.decisions import Decision, read_decisions
from vimu.review.review import open_review
from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish


class Stay(urllib.request.HTTPRedirectHandler):
    """Leaves where an answer leads to whoever asked."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(Stay)


class Asked:
    """A client that says what it is told to say, as no browser would."""

    def __init__(self, address):
        self.address, self.cookie = address.partition("/?")[0], None
        status, headers, _ = self(address.removeprefix(self.address))  # which leads on to the page
        assert (status, headers["Location"]) == (303, "/")
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        assert {"HttpOnly", "SameSite=Lax"} <= set(headers["Set-Cookie"].split("; "))
        status, headers, body = self("/")
        assert status == 200
        self.headers, self.page = headers, body.decode()
        self.token = re.search(r'name="token" content="([\w-]{40,})"', self.page)[1]

    def __call__(self, path, *, data=None, method=None, **headers):
        headers = {"Cookie": self.cookie} | headers
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        request = urllib.request.Request(self.address + path, data, sent, method=method)  # noqa: S310
        try:
            with OPENER.open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path):
        status, _, body = self(path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path, body, **changes):
        headers = {"Origin": self.address, "X_Review_Token": self.token, "Content_Type": "application/json"} | changes
        status, _, answer = self(path, data=json.dumps(body).encode(), **headers)
        return status, json.loads(answer)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed")
    outside = folder / "secret.bvh"
    outside.write_text("secret")
    (folder / "archive").mkdir()
    (folder / "archive" / "link.bvh").symlink_to(outside)
    rows = rows_of(9)
    rows[8] |= {"sequence": rows[7]["sequence"], "clip_id": "f" * 32}  # two files of one name
    files = {1: "../secret.bvh", 2: str(outside), 3: "link.bvh", 8: "other.bvh"}
    return publish_clips(folder / "run", rows, root=folder / "archive", files=files)


@pytest.fixture
def review(run, tmp_path):
    return open_review(run, decisions=tmp_path / "decisions.csv", by="ann")


@pytest.fixture
def asked(review):
    with served(review) as address:
        yield Asked(address)


def test_the_page_gets_all_clips_and_each_one_s_signals(asked):
    run = asked.get("/api/run")
    assert (len(run["clips"]["clip_id"]), run["by"], run["synthetic"]) == (9, "ann", True)
    assert "walking" in run["categories"]
    assert asked.get("/api/clips/4")["sequence"] == "data/clip_00004"
    _, _, body = asked("/api/clips/4/signals")
    length = int.from_bytes(body[:4], "little")
    header = json.loads(body[4 : 4 + length])
    assert [a["name"] for a in header["arrays"]] == ["acc", "gyr"]
    acc = np.frombuffer(body, "<f4", N_FRAMES * len(SENSORS) * 3, 4 + length)
    assert np.array_equal(acc, np.asarray(rows_of(5)[4]["acc"], np.float32))


def test_what_is_decided_is_in_the_file_before_the_answer(asked, review):
    status, answer = asked.post("/api/decide", {"clip": 2, "decision": "drop", "value": "", "note": "slips"})
    row = Decision("bandai", "data/clip_00002", "drop", "", "ann", "slips")
    assert (status, answer["decisions"], read_decisions(review.book.file)) == (200, [vars(row)], (row,))
    assert asked.post("/api/decide", {"clip": 2, "decision": "relabel", "value": "waving"})[0] == 200
    assert asked.post("/api/decide", {"clip": 2, "decision": "rate", "value": "59.0"})[0] == 200
    assert [(d.decision, d.value) for d in read_decisions(review.book.file)] == [("relabel", "waving"), ("rate", "59")]
    assert asked.post("/api/clear", {"clip": 2})[1]["decisions"] == []
    for _ in range(5):
        status, answer = asked.post("/api/undo", {})
    assert (status, answer["changed"], answer["decisions"]) == (200, None, [])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"clip": 99, "decision": "drop"}, 404, "no such clip"),
        ({"clip": True, "decision": "drop"}, 404, "no such clip"),
        ({"decision": "drop"}, 404, "no such clip"),
        ({"clip": 0, "decision": ["drop"]}, 400, "must be text"),
        (["drop"], 400, "JSON mapping"),
        ({"clip": 0, "decision": "burn"}, 409, "`decision` must be one of"),
        ({"clip": 0, "decision": "relabel", "value": "flying"}, 409, "`value` must be one of"),
        ({"clip": 0, "decision": "rate", "value": "nan"}, 409, "must be a rate"),
        ({"clip": 0, "decision": "drop", "note": "two\nlines"}, 409, "one line"),
        ({"clip": 7, "decision": "drop"}, 409, "lies in several"),
    ],
)
def test_a_wrong_decision_is_refused_and_the_file_stays_as_it_was(asked, review, body, status, says):
    asked.post("/api/decide", {"clip": 1, "decision": "keep"})
    before = review.book.file.read_bytes()
    found, answer = asked.post("/api/decide", body)
    assert (found, says in answer["error"]) == (status, True), answer
    assert review.book.file.read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": None}, {"X_Review_Token": "guessed"},
        {"X_Review_Token": None}, {"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)  # fmt: skip
def test_a_change_that_does_not_come_from_the_page_is_refused(asked, review, changes):
    status, _ = asked.post("/api/decide", {"clip": 0, "decision": "drop"}, **changes)
    assert (status, review.book.file.exists()) == (403, False)


@pytest.mark.parametrize("path", ["/", "/api/run", "/page/main.js", "/api/clips/0/signals", "/nowhere"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example:80"}, {"Origin": "http://evil.example"}])
def test_nothing_is_answered_to_a_foreign_host_or_origin(asked, path, headers):
    assert asked(path, **headers)[0] == 403


@pytest.mark.parametrize("cookie", [None, "vimu_review=guessed", "vimu_review_1=x"])
@pytest.mark.parametrize("path", ["/", "/?key=", "/?key=guessed", "/api/run?key=guessed", "/api/run", "/page/main.js"])
def test_who_has_no_key_sees_nothing(asked, path, cookie):
    status, _, body = asked(path, Cookie=cookie)
    assert (status, b"with its key" in body) == (403, True)


def test_bytes_that_are_no_text_are_nobody_s_key(asked, review, caplog):
    name, odd = asked.cookie.partition("=")[0], "\xff"
    assert asked("/", Cookie=f"{name}={odd}")[0] == 403
    assert asked.post("/api/decide", {"clip": 0, "decision": "drop"}, X_Review_Token=odd)[0] == 403
    assert (review.book.file.exists(), caplog.text) == (False, "")


def test_a_file_that_somebody_has_broken_since_is_said_to_be(asked, review):
    review.book.file.write_text("nonsense\n")
    status, _, body = asked("/api/run")
    assert (status, "must be `archive,sequence," in json.loads(body)["error"]) == (409, True)
    status, answer = asked.post("/api/decide", {"clip": 0, "decision": "drop"})
    assert (status, "must be `archive,sequence," in answer["error"]) == (409, True)


def test_a_key_opens_the_page_only(asked):
    key = asked.cookie.partition("=")[2]
    assert asked(f"/api/run?key={key}", Cookie=None)[0] == 403


def test_a_link_elsewhere_may_open_the_page_and_nothing_else(asked):
    assert asked("/", Sec_Fetch_Site="cross-site")[0] == 200
    assert asked("/api/run", Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py", "/page/..%2f..%2fserver.py", "/page/%2e%2e/server.py", "/page//etc/passwd",
        "/page/vendor.yaml", "/page/LICENSE.three", "/page/index.html", "/api/clips/-1", "/api/clips/9",
        "/api/clips/999999999999", "/decisions.csv", "/etc/passwd",
    ],
)  # fmt: skip
def test_paths_outside_the_page_are_not_there(asked, path):
    assert asked(path)[0] == 404


@pytest.mark.parametrize("clip", [1, 2, 3])
def test_a_run_s_table_that_names_a_file_elsewhere_does_not_open_it(asked, clip):
    status, _, body = asked(f"/api/clips/{clip}/take")
    assert (status, b"does not lie below" in body) == (404, True)


def test_a_take_that_is_gone_is_said_to_be(asked):
    status, _, body = asked("/api/clips/0/take")
    assert (status, b"The mocap file is gone" in body) == (404, True)


def test_every_answer_binds_the_browser(asked):
    for path in ("/", "/api/run", "/page/main.js", "/nowhere"):
        headers = asked(path)[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy  # nobody else's address
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
    assert len(asked.token) >= 40
    assert not re.search(r"https?://", asked.page)


def test_hostile_texts_are_json_and_never_markup(tmp_path):
    run = publish_clips(tmp_path / "run", hostile_rows(), root=tmp_path)
    with served(open_review(run, decisions=None, by="ann")) as address:
        asked = Asked(address)
        shown = asked.get("/api/run")["clips"]["description"]
        assert shown == [text[:1000] for text in HOSTILE.values()]
        for clip, text in enumerate(HOSTILE.values()):
            assert asked.get(f"/api/clips/{clip}")["description"] == text[:20_000]
            assert text[:50] not in asked.page
        assert asked.post("/api/decide", {"clip": 0, "decision": "drop", "note": HOSTILE["html"]})[0] == 200
    assert read_decisions(run / "decisions.csv")[0].note == HOSTILE["html"]


def test_a_taken_port_and_a_run_without_clips_are_said(review, tmp_path):
    from vimu.review.command import review as serve

    with served(review) as address, pytest.raises(UserError, match="`--port` must be a free port"):
        serve(review.catalogue.run, decisions=None, by="ann", port=urlsplit(address).port, say=print)
    with pytest.raises(UserError, match="is not published yet"):
        open_review(tmp_path, decisions=None, by="ann")
    with pytest.raises(UserError, match="`--by` must be a name"):
        open_review(review.catalogue.run, decisions=None, by=" ")


def test_clips_of_an_earlier_version_and_other_stages_are_refused(run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="must be a `synthesize` folder, but is of `prepare`"):
        folder = tmp_path / "run" / "synthesize"
        publish(folder, identity={"stage": "prepare"}, build=lambda *_: Outcome({}, "0"), made_by="-")
        open_review(tmp_path / "run", decisions=None, by="ann")
    monkeypatch.setattr("vimu.review.catalogue.SCHEMA_VERSION", 99)
    with pytest.raises(UserError, match="must be of version 99 of the clips table"):
        open_review(run, decisions=None, by="ann")


def test_without_aiohttp_the_command_says_what_to_install(run):
    code = f"import sys; sys.modules['aiohttp'] = None; from vimu.cli import app; app(['review', {str(run)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, "pip install 'vimu[review]'" in done.stderr) == (2, True)


def test_whom_the_machine_has_no_name_for_is_asked_for_one(run):
    gone = "import os; os.getuid = lambda: 4_000_000; [os.environ.pop(k, 0) for k in ('LOGNAME', 'USER', 'LNAME')]; "
    code = f"{gone}os.environ.pop('USERNAME', 0); from vimu.cli import app; app(['review', {str(run)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, "`--by` must be given" in done.stderr) == (2, True)


def test_the_command_prints_where_it_is_and_ends_by_ctrl_c(run, tmp_path):
    command = [sys.executable, "-m", "vimu", "review", str(run), "--decisions", str(tmp_path / "d.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            assert Asked(address).get("/api/run")["clips"]["label"][0] == "walking"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
