"""SIGKILL at every step of writing a checkpoint and of copying it to where it is kept: the one before is used."""

import json
import shutil

import pytest
from killed_steps import killed_at

from vimu.training.resume import newest_whole, seal

IDENTITY = {"settings": {"lr": 0.1}}


def write(folder, epoch):
    """As a training worker writes: the files, then their seal."""
    folder.mkdir(parents=True)
    (folder / "state.pt").write_bytes(bytes([epoch]) * 5000)
    (folder / "log.json").write_text(json.dumps({"epochs": epoch}))
    seal(folder, IDENTITY, epoch=epoch, final=False)


@pytest.mark.fault(15)
@pytest.mark.parametrize("in_place", [True, False], ids=["written there", "copied there"])
def test_a_part_of_a_checkpoint_is_passed_over(tmp_path, in_place):
    storage, made = tmp_path / "storage", tmp_path / "made"
    write(storage / "attempt-1" / "checkpoint_a", 4)
    write(made, 9)
    newest, found = storage / "attempt-1" / "checkpoint_b", []

    def checkpoint():
        if in_place:
            write(newest, 9)
        else:
            shutil.copytree(made, newest)

    while killed_at(len(found) + 1, storage, checkpoint):
        said = []
        sealed = newest_whole(storage, IDENTITY, said.append)
        found.append((sealed.folder.name, sealed.epoch, len(said)))
        shutil.rmtree(newest, ignore_errors=True)
    # its folder, and three files: killed before each of them
    assert [step[:2] for step in found] == [("checkpoint_a", 4)] * 4
    assert [warnings for *_, warnings in found] == [0, 1, 1, 1]
    assert newest_whole(storage, IDENTITY, pytest.fail).epoch == 9
