"""`python -m fuzz.atheris_driver READER --minutes 10 --into FOLDER`: coverage-guided fuzzing of one reader.

Needs `pip install 'vimu[fuzz]'`. libFuzzer keeps in FOLDER/READER what reached new code, so that a later call goes on
from there, and writes what crashed, hung or took too much memory to FOLDER/READER-*. Exit code 0: nothing was found.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import atheris

COMPILED = [
    "vimu.archives.bvh_rows", "vimu.body.kernel", "vimu.body.skeleton", "vimu.clips.plausibility",
    "vimu.clips.statistics", "vimu.resampling", "vimu.rotations",
]  # fmt: skip
"""Numba does not compile what is instrumented."""

with atheris.instrument_imports(include=["vimu"], exclude=COMPILED, enable_loader_override=False):
    from fuzz import sandbox
    from fuzz.driven import kept
    from fuzz.mutations import MAX_BYTES, mutated_by_seed
    from fuzz.seeds import seeds_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=sorted(sandbox.READERS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--into", type=Path, default=Path("runs/fuzz"))
    given = parser.parse_args()
    corpus = given.into / given.reader
    corpus.mkdir(parents=True, exist_ok=True)
    inputs = [*seeds_of(given.reader), *(path.read_bytes() for path in kept(given.reader))]
    for number, data in enumerate(inputs):
        (corpus / f"seed-{number:02d}").write_bytes(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in seeds_of(given.reader):  # machine code is compiled before time counts
            sandbox.READERS[given.reader].target(seed, folder)
            sandbox.emptied(folder)

        def one(data: bytes) -> None:
            fault = sandbox.fault(given.reader, data, folder)
            if fault is not None:
                raise fault

        def custom(data: bytes, max_size: int, seed: int) -> bytes:
            """Every other time ours, which knows the formats; else libFuzzer's."""
            if seed % 2:
                return atheris.Mutate(data, max_size)
            return mutated_by_seed(bytes(data), seed)[:max_size]

        pages = int(Path("/proc/self/statm").read_text().split()[1])
        settings = {
            "max_total_time": round(60 * given.minutes), "max_len": MAX_BYTES, "timeout": 60, "print_final_stats": 1,
            "rss_limit_mb": (4096 * pages + sandbox.MEMORY_BYTES) // 2**20, "verbosity": 1,
            "artifact_prefix": f"{given.into}/{given.reader}-",
        }  # fmt: skip
        print(f"{given.reader}: {len(inputs)} inputs to begin with, {time.strftime('%H:%M')}", flush=True)
        atheris.Setup(
            [sys.argv[0], str(corpus), *(f"-{k}={v}" for k, v in settings.items())], one, custom_mutator=custom
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
