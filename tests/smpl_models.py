"""Model files of SMPL+H and SMPL-X as published: real numbers of joints and vertices, random but valid contents."""

from pathlib import Path

import numpy as np

BODY = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)


def fingers(wrist, first):
    """Parents of five fingers of three joints each."""
    return tuple(wrist if bone == 0 else first + 3 * finger + bone - 1 for finger in range(5) for bone in range(3))


KINTREE = {
    "smplh": (*BODY, *fingers(20, 22), *fingers(21, 37)),
    "smplx": (*BODY, 15, 15, 15, *fingers(20, 25), *fingers(21, 40)),
}
N_VERTICES = {"smplh": 6890, "smplx": 10475}


def write_model(path: Path, kind: str, n_shapes: int, seed: int = 0) -> Path:
    """Write an npz that smplx loads; `n_shapes` counts SMPL-X's expression directions, as its files do."""
    rng = np.random.default_rng(seed)
    n, joints = N_VERTICES[kind], len(KINTREE[kind])
    regressor = np.zeros((joints, n), np.float32)
    weights = np.zeros((n, joints), np.float32)
    for j in range(joints):
        regressor[j, rng.choice(n, 20, replace=False)] = rng.dirichlet(np.ones(20))
    for v, row in enumerate(rng.dirichlet(np.ones(4), n)):
        weights[v, rng.choice(joints, 4, replace=False)] = row
    kintree = np.array([KINTREE[kind], range(joints)])
    hands = {f"hands_{what}{side}": np.zeros((45, 45) if what == "components" else 45)
             for what in ("components", "mean") for side in "lr"}  # fmt: skip
    face = {"lmk_faces_idx": np.zeros(51, int), "lmk_bary_coords": np.full((51, 3), 1 / 3)} if kind == "smplx" else {}
    np.savez(
        path, v_template=rng.normal(0, 0.4, (n, 3)).astype(np.float32), J_regressor=regressor, weights=weights,
        shapedirs=rng.normal(0, 0.01, (n, 3, n_shapes)).astype(np.float32),
        posedirs=(0.002 * rng.standard_normal((n, 3, 9 * (joints - 1)), np.float32)),
        kintree_table=kintree.astype(np.uint32), f=rng.integers(0, n, (100, 3)).astype(np.uint32), **hands, **face,
    )  # fmt: skip
    return path
