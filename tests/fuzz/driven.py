"""Searches inputs that a reader does not stand, in a process of its own, of which the limit of memory holds.

`found` is what `tests/fuzz/test_fuzz.py` runs: some hundred inputs in seconds, the same each time.
"""

import hashlib
import multiprocessing
import tempfile
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from fuzz import sandbox
from fuzz.mutations import mutated
from fuzz.seeds import seeds_of

CORPUS = Path(__file__).parent / "corpus"
"""READER/NAME: inputs that once found something, each kept small."""
PATIENCE_S = 100
"""Of the process: what hangs in machine code does not see the limit of time of one input."""

DAMAGE = st.lists(
    st.tuples(st.integers(0, 2**16), st.floats(0, 1), st.integers(0, 2**20)), min_size=1, max_size=4
)  # fmt: skip


def kept(reader: str) -> list[Path]:
    return sorted((CORPUS / reader).glob("*"))


def found(reader: str, n_examples: int) -> str | None:
    """What is wrong with a reader, by its seeds, its corpus and `n_examples` damaged inputs; None where nothing is."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fuzz.driven"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_search, args=(reader, n_examples, theirs))
    process.start()
    theirs.close()
    try:
        told: str | None = ours.recv() if ours.poll(PATIENCE_S) else f"`{reader}` hangs where no limit of time is seen"
    except EOFError:
        told = f"the process of `{reader}` died"
    finally:
        process.kill()
        process.join()
    return told


def _search(reader: str, n_examples: int, tell: Connection) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            _try_all(reader, n_examples, folder)
        except BaseException as error:  # noqa: BLE001  told to the parent
            tell.send("".join(traceback.format_exception(error)))
        else:
            tell.send(None)


def _try_all(reader: str, n_examples: int, folder: Path) -> None:
    for seed in seeds_of(reader):  # without limits: machine code may have to be compiled first
        sandbox.READERS[reader].target(seed, folder)
        sandbox.emptied(folder)
    sandbox.limit_memory()
    for path in kept(reader):
        _stands(reader, path.read_bytes(), folder)

    @hypothesis.settings(
        max_examples=n_examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(seed=st.sampled_from(seeds_of(reader)), damage=DAMAGE)
    def search(seed: bytes, damage: list[tuple[int, float, int]]) -> None:
        for mutation in damage:
            seed = mutated(seed, mutation)
        _stands(reader, seed, folder)

    search()


def _stands(reader: str, data: bytes, folder: Path) -> None:
    fault = sandbox.fault(reader, data, folder)
    if fault is not None:
        name = f"found-{reader}-{hashlib.sha256(data).hexdigest()[:12]}"
        Path(tempfile.gettempdir(), name).write_bytes(data)
        raise AssertionError(f"`{reader}` does not stand {len(data)} bytes, kept as {name}") from fault
