"""Publishing: all or nothing, the same run is a no-op, another one is refused."""

import hashlib
import json
import multiprocessing
from pathlib import Path

import pytest
from filelock import FileLock

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.publish import publish, publishing_state
from vimu.runtime.published import open_published

IDENTITY = {"stage": "s", "settings": {"a": 1, "b": {"c": [1, 2]}}, "inputs": {}}


def build(staging: Path, previous=None) -> Outcome:
    (staging / "data").mkdir(exist_ok=True)
    (staging / "data" / "x.bin").write_bytes(b"123")
    return Outcome(counts={"rows": 3}, content_hash="h", details={"k": "v"}, licences={"src": "CC0"})


def do(folder: Path, identity=IDENTITY, builder=build, **options):
    return publish(folder, identity=identity, build=builder, made_by="python jobs/s.py", **options)


@pytest.mark.fault(12)
def test_published_once_then_a_no_op(tmp_path):
    calls = []
    first = do(tmp_path / "s", builder=lambda s, _: (calls.append(1), build(s))[1])
    again = do(tmp_path / "s", builder=lambda s, _: (calls.append(1), build(s))[1])
    assert (first.fresh, again.fresh, len(calls)) == (True, False, 1)
    assert [file.where for file in again.files("data/")] == [str(tmp_path / "s" / "data" / "x.bin")]
    assert again.manifest["licences"] == {"src": "CC0"}
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".s.lock") == ["s"]


@pytest.mark.fault(12)
def test_another_configuration_is_refused_with_the_difference(tmp_path):
    do(tmp_path / "s")
    other = json.loads(json.dumps(IDENTITY))
    other["settings"]["b"]["c"] = [1, 3]
    with pytest.raises(UserError, match=r"  - settings\.b\.c\.1: 2 -> 3\n"):
        do(tmp_path / "s", identity=other)


def test_a_refusal_shows_values_as_a_person_writes_them(tmp_path):
    there = {"a": "x", "b": None, "c": True, "d": [1, 2], "e": {"f": 1}, "g": "0" * 64, "h": "", "same": 1}
    asked = {"a": "y", "b": {"k": ["v"]}, "c": False, "d": [], "e": {"f": 2.5}, "g": "1" * 64, "h": None, "same": 1}
    do(tmp_path / "s", identity={"stage": "s", **there})
    for refused in (do, lambda folder, identity: publishing_state(folder, identity)):
        with pytest.raises(UserError) as error:
            refused(tmp_path / "s", identity={"stage": "s", **asked})
        assert [line.removeprefix("  - ") for line in str(error.value).splitlines()[1:-1]] == [
            "a: x -> y", "b: null -> {k: [v]}", "c: true -> false", "d: [1, 2] -> []", "e.f: 1 -> 2.5",
            f"g: {'0' * 12} -> {'1' * 12}", 'h: "" -> null',
        ]  # fmt: skip


def test_what_a_stage_is_renewed_by_replaces_without_being_asked(tmp_path):
    def of(figures, a=1):
        return {"stage": "s", "settings": {"a": a}, "inputs": {"figures": figures, "model": "m"}}

    renewed_by = ("inputs.figures",)
    calls = []

    def build_of(staging, previous):
        calls.append(staging)
        return build(staging)

    for figures in (None, "first", "first", "second"):
        done = do(tmp_path / "s", builder=build_of, identity=of(figures), renewed_by=renewed_by)
        assert done.manifest["identity"]["inputs"]["figures"] == figures
    assert len(calls) == 3
    assert "would renew" in publishing_state(tmp_path / "s", of("third"), renewed_by=renewed_by)
    for other in (of("third", a=2), of("second", a=2)):
        with pytest.raises(UserError, match=r"settings\.a: 1 -> 2"):
            do(tmp_path / "s", builder=build_of, identity=other, renewed_by=renewed_by)
        with pytest.raises(UserError, match=r"settings\.a: 1 -> 2"):
            publishing_state(tmp_path / "s", other, renewed_by=renewed_by)
    with pytest.raises(UserError, match=r"inputs\.figures: second -> third"):
        do(tmp_path / "s", builder=build_of, identity=of("third"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".s.lock", "s"]


@pytest.mark.fault(5)
def test_a_failed_build_shows_nothing_and_can_go_on(tmp_path):
    def dies(staging: Path, previous) -> Outcome:
        (staging / "half").write_text("kept")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        do(tmp_path / "s", builder=dies)
    with pytest.raises(UserError, match=r"is not published yet\. Run first: python jobs/s\.py"):
        open_published(tmp_path / "s", made_by="python jobs/s.py")
    seen = []
    do(tmp_path / "s", builder=lambda s, _: (seen.append((s / "half").read_text()), build(s))[1])
    assert seen == ["kept"]


def test_what_another_configuration_left_half_done_is_not_gone_on_with(tmp_path):
    def dies(staging: Path, previous) -> Outcome:
        (staging / "half").write_text("kept")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        do(tmp_path / "s", builder=dies)
    published = do(tmp_path / "s", identity={**IDENTITY, "settings": {"a": 2}})
    assert [f["path"] for f in published.manifest["files"]] == ["data/x.bin"]


@pytest.mark.fault(2)
def test_torn_files_of_killed_workers_are_not_published(tmp_path):
    def builder(staging: Path, previous) -> Outcome:
        (staging / ".x.parquet.77.partial").write_bytes(b"torn")
        return build(staging)

    published = do(tmp_path / "s", builder=builder)
    assert [f["path"] for f in published.manifest["files"]] == ["data/x.bin"]


@pytest.mark.parametrize("damage", ["flip", "delete", "manifest", "success"])
def test_damage_is_noticed(tmp_path, damage):
    do(tmp_path / "s")
    data, manifest = tmp_path / "s" / "data" / "x.bin", tmp_path / "s" / "manifest.json"
    if damage == "flip":
        data.write_bytes(b"124")
    elif damage == "delete":
        data.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text().replace('"rows": 3', '"rows": 4'))
    else:
        (tmp_path / "s" / "_SUCCESS").unlink()
    with pytest.raises(UserError, match=r"python jobs/s\.py"):
        open_published(tmp_path / "s", made_by="python jobs/s.py")


ENTRY = {"path": "data/x.bin", "bytes": 3, "sha256": hashlib.sha256(b"123").hexdigest()}


@pytest.mark.parametrize(
    ("claimed", "says"),
    [
        ([], "all of it"), ({"files": None}, "files"), ({"files": [1]}, r"files\.0"), ({"details": []}, "details"),
        ({"files": [{"path": "data/x.bin"}]}, r"files\.0\.bytes"),
        ({"files": [ENTRY | {"path": "../secret"}]}, "must lie in the folder"),
        ({"files": [ENTRY | {"path": "clips/../../secret"}]}, "must lie in the folder"),
        ({"files": [ENTRY | {"path": "{folder}/secret"}]}, "must lie in the folder"),
        ({"files": [ENTRY | {"at": "{folder}/secret"}]}, "must lie in the folder"),
        ({"files": [ENTRY, ENTRY]}, "must name each file once"),
        (b"\xff\xfe\0", "all of it"), (b"[" * 100_000, "all of it"),
    ],
)  # fmt: skip
def test_a_manifest_whose_hash_fits_is_not_believed(tmp_path, claimed, says):
    """Whoever publishes a folder can make its hashes fit: it reads no file beside it, and none twice."""
    do(tmp_path / "s")
    (tmp_path / "secret").write_bytes(b"123")
    text = claimed
    if not isinstance(claimed, bytes):
        true = json.loads((tmp_path / "s" / "manifest.json").read_text())
        whole = true | claimed if isinstance(claimed, dict) else claimed
        text = json.dumps(whole).replace("{folder}", str(tmp_path)).encode()
    (tmp_path / "s" / "manifest.json").write_bytes(text)
    (tmp_path / "s" / "_SUCCESS").write_text(hashlib.sha256(text).hexdigest() + "\n")
    with pytest.raises(UserError, match=f"`.*manifest.json` must be as a stage writes it, .*{says}.*run: job"):
        open_published(tmp_path / "s", made_by="job")


def test_a_mark_of_success_that_is_no_text_names_no_manifest(tmp_path):
    do(tmp_path / "s")
    (tmp_path / "s" / "_SUCCESS").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not what `_SUCCESS` names"):
        open_published(tmp_path / "s", made_by="job")


def test_a_lock_that_is_a_link_leaves_its_target_alone(tmp_path):
    """In a run folder that came from a stranger it may lead to any file of the person's."""
    (tmp_path / "letter").write_text("precious")
    (tmp_path / ".s.lock").symlink_to(tmp_path / "letter")
    with pytest.raises(UserError, match=r"must be a folder that can be written, but: .*\.s\.lock"):
        do(tmp_path / "s")
    assert (tmp_path / "letter").read_text() == "precious"


@pytest.mark.parametrize("left", ["torn", "file", "link"])
def test_a_staging_place_that_is_none_is_made_anew(tmp_path, left):
    staging = tmp_path / ".s.staging"
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept").touch()
    if left == "torn":
        staging.mkdir()
        (staging / ".identity.json").write_text("{")
    elif left == "file":
        staging.touch()
    else:
        staging.symlink_to(tmp_path / "theirs")
    assert do(tmp_path / "s").fresh and not (tmp_path / "s").is_symlink()
    assert (tmp_path / "theirs" / "kept").exists()


@pytest.mark.parametrize("own", ["folder", "file"])
def test_what_is_no_result_is_never_replaced_nor_asked_to_be_made_by_itself(tmp_path, own):
    if own == "folder":
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "notes.txt").touch()
    else:
        (tmp_path / "s").touch()
    with pytest.raises(UserError, match=r"s` must be free, or what python jobs/s\.py published, .*Move it away"):
        do(tmp_path / "s")


def _hold(path: str, ready, done) -> None:
    with FileLock(path):
        ready.set()
        done.wait(20)


@pytest.mark.fault(11)
def test_two_runs_into_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path / ".s.lock"), ready, done))
    holder.start()
    try:
        assert ready.wait(20)
        with pytest.raises(UserError, match="Another run is writing"):
            do(tmp_path / "s")
    finally:
        done.set()
        holder.join(20)


def test_the_content_hash_does_not_depend_on_order():
    rows = [("a", "1"), ("b", "2"), ("c", "3")]
    assert content_hash(rows) == content_hash(reversed(rows)) != content_hash([("a", "1"), ("b", "3"), ("c", "2")])
