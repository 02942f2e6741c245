"""Checkpoints of a training run: whole ones of the same run are gone on from, and no others."""

import json

import pytest

from vimu.runtime.errors import UserError
from vimu.training.resume import newest_whole, seal

IDENTITY = {"settings": {"lr": 0.1, "augment": {"scale": 0.1}}, "classes": ("walking", "waving")}


@pytest.fixture
def storage(tmp_path):
    """Two runs' checkpoints: of epochs 4 and 9, and, gone on from there, 14."""
    for run, name, epoch in (("attempt-1", "a", 4), ("attempt-1", "b", 9), ("attempt-2", "c", 14)):
        folder = tmp_path / run / f"checkpoint_{name}"
        folder.mkdir(parents=True)
        (folder / "state.pt").write_bytes(bytes(range(200)))
        (folder / "log.json").write_text(json.dumps({"epochs": epoch}))
        seal(folder, IDENTITY, epoch=epoch, final=epoch == 14)
    (tmp_path / "attempt-2" / "checkpoint_manager_snapshot.json").write_text("{}")  # Ray's own
    return tmp_path


def look(storage, identity=IDENTITY):
    said = []
    return newest_whole(storage, identity, said.append), said


def test_the_one_that_has_seen_most_is_gone_on_from(storage):
    found, said = look(storage)
    assert (found.folder.name, found.epoch, found.final, said) == ("checkpoint_c", 14, True, [])


def test_without_checkpoints_there_is_none(tmp_path):
    assert look(tmp_path / "nothing") == (None, [])


@pytest.mark.fault(15, 16)
@pytest.mark.parametrize("file", ["state.pt", "log.json", "seal.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "first", "middle", "last"])
def test_a_damaged_one_is_skipped_with_a_warning(storage, file, damage):
    path = storage / "attempt-2" / "checkpoint_c" / file
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        at = {"empty": 0, "cut": len(data) // 2, "first": 0, "middle": len(data) // 2, "last": len(data) - 1}[damage]
        if damage in ("empty", "cut"):
            data = data[:at]
        else:
            data[at] ^= 1
        path.write_bytes(data)
    found, said = look(storage)
    assert (found.folder.name, found.epoch, found.final) == ("checkpoint_b", 9, False)
    assert len(said) == 1
    assert said[0].startswith("warning: checkpoint checkpoint_c is damaged (")
    if file != "seal.json" and damage != "missing":
        assert f"{file} fails its hash" in said[0]


@pytest.mark.fault(16)
def test_when_all_are_damaged_training_begins_anew(storage):
    for path in storage.glob("*/*/state.pt"):
        path.write_bytes(b"")
    found, said = look(storage)
    assert found is None
    assert len(said) == 3


@pytest.mark.fault(17)
def test_one_of_another_configuration_is_refused_with_the_difference(storage):
    other = {"settings": {"lr": 0.2, "augment": {"scale": 0.1}}, "classes": ("walking",)}
    with pytest.raises(UserError) as caught:
        look(storage, other)
    said = str(caught.value)
    assert "settings.lr: 0.1 -> 0.2" in said
    assert "classes: [walking, waving] -> [walking]" in said
    assert "scale" not in said
