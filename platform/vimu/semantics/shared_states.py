"""What the text encoder's lower layers make of thousands of texts, made once by all workers of a job together.

Each worker makes its share and writes it; then all read all. Shares stay, so a run that goes on makes none again.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from vimu.runtime.safe_load import load_torch
from vimu.semantics.text_encoder import BATCH, States, TextEncoder


def shared_states(encoder: TextEncoder, texts: Sequence[str], *, folder: Path, rank: int, world: int) -> States:
    """`TextEncoder.states` of all texts; every worker must call it, with the same texts.

    Args:
        folder: of the job, seen by every worker.
    """
    lengths = encoder.n_tokens(texts)
    n_tokens = max(lengths)
    by_length = sorted(range(len(texts)), key=lengths.__getitem__)
    batches = [by_length[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    # batches are those of one worker alone, so the last digits do not tell how many there were
    rows = [[i for batch in batches[worker::world] for i in batch] for worker in range(world)]
    key = hashlib.sha256(json.dumps([encoder.identity, n_tokens, *texts]).encode()).hexdigest()[:16]
    shares = [folder / f"{key}-{i}-of-{world}.pt" for i in range(world)]
    if rows[rank] and not shares[rank].is_file():
        mine = encoder.states([texts[i] for i in rows[rank]], n_tokens=n_tokens)
        folder.mkdir(parents=True, exist_ok=True)
        partial = shares[rank].with_suffix(f".{os.getpid()}.partial")
        torch.save({"hidden": mine.hidden, "mask": mine.mask}, partial)
        partial.rename(shares[rank])
    if world > 1:
        dist.barrier()
    hidden = torch.empty(len(texts), n_tokens, encoder.width, dtype=torch.float16)
    mask = torch.empty(len(texts), n_tokens, dtype=torch.bool)
    for of_worker, share in zip(rows, shares, strict=True):
        if not of_worker:
            continue
        part = load_torch(share)
        hidden[of_worker], mask[of_worker] = part["hidden"], part["mask"]
    return States(hidden, mask)
