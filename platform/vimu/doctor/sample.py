"""Which files are opened: a few of many, those most likely to be broken among them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vimu.contracts import Rejection
from vimu.doctor.check import Check

SPREAD, SMALLEST = 24, 4
GIT_LFS = b"version https://git-lfs"


def sampled(paths: Sequence[Path], firsts: Sequence[Path] = ()) -> list[Path]:
    """24 spread evenly, `firsts`, and the 4 smallest, which a broken download leaves; sorted."""
    step = max(1, len(paths) // SPREAD)
    smallest = sorted(paths, key=lambda path: path.stat().st_size)[:SMALLEST]
    return sorted({*paths[::step][:SPREAD], *firsts, *smallest})


def sample_check(subject: str, n_read: int, n_all: int, failed: Sequence[tuple[Path, Rejection]], also: str) -> Check:
    """What came of opening a sample: `also` says more of those that could be read."""
    found = f"opened {n_read:,} of {n_all:,}"
    if not failed:
        return Check(subject, "ok", f"{found}, all can be read{also}")
    reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(str(r.reason) for _, r in failed).most_common())
    pointers = [path for path, _ in failed if _is_pointer(path)]
    path, first = next((item for item in failed if item[0] in pointers), failed[0])
    none_left = len(failed) == n_read
    if pointers:
        mend = f"{len(pointers)} of them are Git LFS pointers, not the files: git lfs pull"
    elif none_left:
        mend = "not one is usable: are these the right files, and right what the archive's YAML says of them?"
    else:
        mend = "a job leaves them out and says so in rejections.parquet; if that is too many, download again"
    found += f", {len(failed)} cannot be used: {reasons}; e.g. {path}: {first.detail}"
    return Check(subject, "fail" if none_left else "warn", found + ("" if none_left else also), mend)


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(GIT_LFS)) == GIT_LFS
