"""Publishing to an object store: a conditional write is the commit, readers follow the manifest."""

import json

import pytest
from s3fs import S3FileSystem

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish, publishing_state, reused
from vimu.runtime.published import SUCCESS, open_published
from vimu.runtime.storage import create, files_below, location, remove, stored

IDENTITY = {"stage": "s", "settings": {"a": 1}, "inputs": {"files": "one"}}


@pytest.fixture
def folder(bucket, request):
    return location(f"{bucket}/{request.node.name}/s [1]")


def outcome(**more):
    return Outcome(counts={"rows": 3}, content_hash="h", **more)


def build(staging, previous):
    return outcome(files=[stored(staging / "clips" / "x.parquet", b"123"), stored(staging / "table", b"45")])


def do(folder, builder=build, identity=IDENTITY, **options):
    options = {"workers_write": True} | options
    return publish(folder, identity=identity, build=builder, made_by="python jobs/s.py", **options)


def test_published_once_then_a_no_op_and_another_configuration_refused(folder):
    assert "would publish" in publishing_state(folder, IDENTITY)
    calls = []
    first, again = (do(folder, lambda s, p: (calls.append(1), build(s, p))[1]) for _ in range(2))
    assert (first.fresh, again.fresh, len(calls)) == (True, False, 1)
    assert [file.read() for file in again.files("clips/")] == [b"123"]
    assert again.file("table").local().read_bytes() == b"45"
    assert "nothing to do" in publishing_state(folder, IDENTITY)
    with pytest.raises(UserError, match=r"settings\.a: 1 -> 2"):
        do(folder, identity=IDENTITY | {"settings": {"a": 2}})


def test_a_run_that_dies_shows_nothing_and_goes_on(folder):
    def dies(staging, previous):
        stored(staging / "clips" / "half", b"kept")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        do(folder, dies)
    with pytest.raises(UserError, match="is not published yet"):
        open_published(folder, made_by="-")
    assert "would go on" in publishing_state(folder, IDENTITY)
    published = do(folder, lambda s, _: outcome(files=[stored(s / "clips" / "b", (s / "clips" / "half").read_bytes())]))
    assert [file.read() for file in published.files("clips/b")] == [b"kept"]


def test_of_two_runs_at_once_one_publishes(folder):
    """The other one ends while this one builds: its `_SUCCESS` stands, ours is refused, its data are whole."""

    def late(staging, previous):
        do(folder)
        return outcome(files=[stored(staging / "clips" / "y", b"678")])

    with pytest.raises(UserError, match="Another run published"):
        do(folder, late, identity=IDENTITY | {"settings": {"a": 2}})
    assert [f.read() for f in open_published(folder, made_by="-").files("")] == [b"123", b"45"]


def test_a_write_is_conditional(folder):
    assert create(folder / SUCCESS, b"1")
    assert not create(folder / SUCCESS, b"2")
    assert (folder / SUCCESS).read_bytes() == b"1"


def test_an_update_names_the_objects_that_stay(folder):
    first = do(folder)
    grown = IDENTITY | {"inputs": {"files": "two"}}
    with pytest.raises(UserError, match="--update"):
        do(folder, identity=grown)

    def add(staging, previous):
        assert previous is not None
        [old] = previous.files("clips/")
        return outcome(files=[reused(old, "clips/x.parquet", staging), stored(staging / "clips" / "y.parquet", b"6")])

    second = do(folder, add, identity=grown, update=True)
    assert [f.read() for f in second.files("clips/")] == [b"123", b"6"]
    assert second.files("clips/")[0].where == first.files("clips/")[0].where
    assert [f["path"] for f in second.manifest["files"]] == ["clips/x.parquet", "clips/y.parquet"]


def test_an_update_that_another_one_overtook_is_refused(folder):
    do(folder)
    two, three = (IDENTITY | {"inputs": {"files": n}} for n in ("two", "three"))

    def late(staging, previous):
        do(folder, identity=three, update=True)
        return build(staging, previous)

    with pytest.raises(UserError, match="Another run published"):
        do(folder, late, identity=two, update=True)
    assert open_published(folder, made_by="-").manifest["identity"] == three


def test_what_is_built_here_is_uploaded(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def here(staging, previous):
        (staging / "models").mkdir()
        (staging / "models" / "m.pt").write_bytes(b"w")
        return outcome()

    published = do(folder, here, workers_write=False)
    assert {f["path"]: f["bytes"] for f in published.manifest["files"]} == {"models/m.pt": 1}
    assert published.file("models/m.pt").local().read_bytes() == b"w"


@pytest.mark.parametrize("damage", ["flip", "delete", "manifest", "success"])
def test_damage_is_noticed(folder, damage):
    published = do(folder)
    [table] = [location(f.where) for f in published.files("table")]
    if damage == "flip":
        table.write_bytes(b"46")
    elif damage == "delete":
        remove(table)
    elif damage == "manifest":
        [manifest] = [p for p in files_below(folder) if p.name.startswith("manifest-")]
        manifest.write_text(json.dumps(dict(published.manifest) | {"counts": {}}))
    else:
        remove(folder / SUCCESS)
    with pytest.raises(UserError, match="--made-by--"):
        open_published(folder, made_by="--made-by--")


def test_a_flipped_shard_is_noticed_by_its_reader(folder):
    published = do(folder)
    [shard] = published.files("clips/")
    location(shard.where).write_bytes(b"124")
    assert open_published(folder, made_by="-").files("clips/") == [shard]
    with pytest.raises(UserError, match="is missing or damaged"):
        shard.read()


def test_a_uri_that_nothing_opens_says_so():
    with pytest.raises(UserError, match="must be a folder, or a URI that fsspec opens"):
        location("nosuch://bucket/x")


def test_a_store_without_bucket_or_credentials_says_so(bucket, monkeypatch):
    """Nothing there yet is no error; a store that cannot be asked is, and not `is not published yet`."""
    assert "would publish" in publishing_state(location(f"{bucket}/new/s"), IDENTITY)
    for place in (f"{bucket}-other/runs", f"{bucket}-other"):
        with pytest.raises(UserError, match=r"must be in a store that can be reached.*bucket does not exist"):
            publishing_state(location(place) / "s", IDENTITY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(UserError, match="NoCredentials"):
            open_published(location(f"{bucket}/runs"), made_by="-")
    finally:
        S3FileSystem.clear_instance_cache()
