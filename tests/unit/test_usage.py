"""What a folder holds, and when it was touched, while jobs go on in it."""

import os
import time

from vimu.stages.usage import usage_of


def test_a_folder_that_a_job_takes_away_meanwhile_was_touched_now(tmp_path):
    """As a staging folder that is published while its files are counted."""
    before = time.time()
    usage = usage_of(tmp_path / ".synthesize.staging")
    assert (usage.n_bytes, usage.touched >= before) == (0, True)


def test_the_newest_file_says_when_else_the_folder_itself(tmp_path):
    os.utime(tmp_path, (1000.0, 1000.0))
    assert usage_of(tmp_path).touched == 1000.0
    for name, when in (("a", 5.0), ("b", 7.0)):
        (tmp_path / name).write_bytes(b"123")
        os.utime(tmp_path / name, (when, when))
    usage = usage_of(tmp_path)
    assert (usage.n_bytes, usage.touched) == (6, 7.0)
