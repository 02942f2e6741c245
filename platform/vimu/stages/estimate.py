"""How long a synthesis would take and how much it would write, from a few files that are read now."""

import time
from pathlib import Path

from vimu.archives.config import ArchiveConfig
from vimu.clips.synthesis import Synthesizer
from vimu.contracts import Rejection
from vimu.stages.config import Config
from vimu.stages.stage import Plan
from vimu.stages.synthesize import Work

SAMPLE = 6
"""Files read, spread over the archives."""


def estimate(config: Config, plan: Plan[Work]) -> str:
    """A sentence: CPU time, and bytes of clips. Without Ray; nothing is written."""
    assert plan.work is not None
    work, settings = plan.work, config.synthesis
    files = [(task, name) for task in work.tasks for name in task.files]
    sizes = {(file["root"], file["path"]): file["bytes"] for file in work.files}
    step = max(1, len(files) // SAMPLE)
    made: dict[str, Synthesizer] = {}
    read_bytes = written = rejected = 0
    seconds = 0.0
    for task, name in files[step // 2 :: step][:SAMPLE]:
        if task.archive not in made:
            archive = ArchiveConfig.model_validate_json(task.archive)
            made[task.archive] = Synthesizer(archive, work.placements, task.body, work.preset)
            _clip_bytes(made[task.archive], task.root, name, settings.rate_hz)  # compiles, and reads the body
        start = time.process_time()
        n_bytes = _clip_bytes(made[task.archive], task.root, name, settings.rate_hz)
        seconds += time.process_time() - start
        read_bytes += sizes[task.root, name]
        written += n_bytes or 0
        rejected += n_bytes is None
    share = sum(sizes.values()) / max(read_bytes, 1)
    n = len(files[step // 2 :: step][:SAMPLE])
    odd = f", {rejected} of them rejected" if rejected else ""
    return (
        f"about {_duration(seconds * share)} of CPU time and {written * share / 2**20:,.0f} MB of clips, by "
        f"{n} of {len(files):,} files{odd}; start-up, about 10 s, not counted"
    )


def _clip_bytes(synthesizer: Synthesizer, root: str, name: str, rate_hz: float) -> int | None:
    """Bytes of a clip's signals; None for a file that is left out."""
    try:
        recording = synthesizer.recording(synthesizer.read(Path(root) / name, Path(root)), rate_hz=rate_hz)
    except Rejection:
        return None
    return sum(array.nbytes for array in (recording.acc, recording.gyr, recording.ori) if array is not None)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
