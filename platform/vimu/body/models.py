"""Body model files of the SMPL family: what they hold, and which of them serves which gender."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from vimu.contracts import SMPL_JOINTS, SMPL_PARENTS, SMPLH_JOINTS, SMPLX_JOINTS, Gender, Rejection
from vimu.runtime.errors import UserError, listed
from vimu.runtime.safe_load import load_npz, load_pickle

Kind = Literal["smpl", "smplh", "smplx"]

KINDS: Mapping[tuple[int, int], tuple[Kind, tuple[str, ...]]] = {
    (24, 6890): ("smpl", SMPL_JOINTS),
    (52, 6890): ("smplh", SMPLH_JOINTS),
    (55, 10475): ("smplx", SMPLX_JOINTS),
}
"""(joints, vertices) -> kind and joint names."""

KEYS = {"v_template": 2, "shapedirs": 3, "posedirs": 3, "J_regressor": 2, "weights": 2, "kintree_table": 2}
"""Array -> its number of axes."""
WHERE = "https://smpl.is.tue.mpg.de, https://mano.is.tue.mpg.de (SMPL+H), https://smpl-x.is.tue.mpg.de"

GENDER_WORDS: Mapping[str, Gender] = {
    "male": "male", "m": "male", "female": "female", "f": "female", "neutral": "neutral", "n": "neutral",
}  # fmt: skip
"""Words of published names: `SMPL_MALE.pkl`, `basicModel_f_lbs_10_207_0_v1.0.0.pkl`, `smplh/male/model.npz`."""

SMPLX_SHAPES, SMPLX_FULL = 300, 400
"""SMPL-X files hold 300 shape and then 100 expression directions, or 10 and 10. Source: smplx/body_models.py."""


@dataclass(frozen=True)
class SmplModel:
    """The arrays of a model file, float64."""

    kind: Kind
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    v_template: Float[np.ndarray, "vertices 3"]
    shapedirs: Float[np.ndarray, "vertices 3 B"]
    posedirs: Float[np.ndarray, "vertices 3 9*(joints-1)"]
    j_regressor: Float[np.ndarray, "joints vertices"]
    weights: Float[np.ndarray, "vertices joints"]


def load_smpl_model(path: Path | str) -> SmplModel:
    """Read a model file as published, `.pkl` (no chumpy needed, nothing in it executes) or `.npz`.

    Expression directions of SMPL-X are left out: they are no shape, though they stand in the same array.

    Raises:
        UserError: the file is missing, is no model of the family, or its arrays do not go together.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"`body` must be an SMPL model file ({WHERE}), but `{path}` does not exist.")
    try:
        data = load_npz(path, KEYS) if path.suffix == ".npz" else load_pickle(path, KEYS)
    except Rejection as rejection:
        raise UserError(f"`body` must be an SMPL model file, but {rejection}.") from rejection
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise UserError(f"`body` must be an SMPL model file, but `{path}` has no {', '.join(missing)}.")
    odd = [key for key, n_axes in KEYS.items() if not _of_numbers(data[key], n_axes, whole=key == "kintree_table")]
    if odd:
        raise UserError(f"`body` must hold arrays of finite numbers, but `{path}` has none as {', '.join(odd)}.")
    return _model(path, {key: data[key] for key in KEYS})


def _of_numbers(value: object, n_axes: int, *, whole: bool) -> bool:
    if not isinstance(value, np.ndarray) or value.ndim != n_axes or value.size == 0:
        return False
    return value.dtype.kind in "iu" or (not whole and value.dtype.kind == "f" and bool(np.isfinite(value).all()))


def load_faces(path: Path, n_vertices: int) -> Int[np.ndarray, "faces 3"] | None:
    """The triangles of a model file's surface; None where it has none that fit its vertices. Raises UserError."""
    try:
        data = load_npz(path, ("f",)) if path.suffix == ".npz" else load_pickle(path, ("f",))
    except Rejection as rejection:
        raise UserError(f"`body` must be an SMPL model file, but {rejection}.") from rejection
    faces = np.asarray(data.get("f", ()))
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or not len(faces):
        return None
    return faces.astype(np.int64) if faces.min() >= 0 and faces.max() < n_vertices else None


def _model(path: Path, data: Mapping[str, np.ndarray[Any, Any]]) -> SmplModel:
    parents = (-1, *(int(p) for p in data["kintree_table"][0][1:]))  # the root's entry is 2**32 - 1
    n_joints, n_vertices = len(parents), len(data["v_template"])
    if (n_joints, n_vertices) not in KINDS or parents[:22] != SMPL_PARENTS[:22]:
        raise UserError(
            "`body` must be SMPL (6890 vertices, 24 joints), SMPL+H (6890, 52) or SMPL-X (10475, 55), "
            f"but `{path}` has {n_vertices} and {n_joints}."
        )
    shapes = {
        "v_template": (n_vertices, 3), "posedirs": (n_vertices, 3, 9 * (n_joints - 1)),
        "J_regressor": (n_joints, n_vertices), "weights": (n_vertices, n_joints),
        "shapedirs": (n_vertices, 3, data["shapedirs"].shape[-1]),
    }  # fmt: skip
    odd = [f"{key} {data[key].shape}" for key, shape in shapes.items() if data[key].shape != shape]
    if odd or any(not 0 <= parent < joint for joint, parent in enumerate(parents[1:], start=1)):
        what = ", ".join(odd) or "a joint before its parent"
        raise UserError(f"`body` must hold arrays that go together, but `{path}` has {what}.")
    kind, joint_names = KINDS[n_joints, n_vertices]
    n_shapes = data["shapedirs"].shape[-1]
    if kind == "smplx":
        n_shapes = SMPLX_SHAPES if n_shapes >= SMPLX_FULL else min(n_shapes, 10)
    return SmplModel(
        kind=kind,
        joint_names=joint_names,
        parents=parents,
        v_template=np.asarray(data["v_template"], np.float64),
        shapedirs=np.asarray(data["shapedirs"][..., :n_shapes], np.float64),
        posedirs=np.asarray(data["posedirs"], np.float64),
        j_regressor=np.asarray(data["J_regressor"], np.float64),
        weights=np.asarray(data["weights"], np.float64),
    )


def model_files(body: Path | str) -> dict[Gender | None, Path]:
    """The model files at `body`: of a folder one a gender, found by their names; a single file serves all (None).

    Of a model that lies there as `.npz` and as `.pkl` the `.npz` counts: it holds no code.

    Raises:
        UserError: nothing is there, the folder holds no model, or several for one gender.
    """
    body = Path(body)
    if not body.is_dir():
        return {None: body}
    found: dict[Gender, list[Path]] = {}
    for path in sorted(p for p in body.rglob("*") if p.suffix in (".npz", ".pkl") and p.is_file()):
        words = re.split(r"[^a-z]+", path.relative_to(body).as_posix().lower())
        genders = {GENDER_WORDS[word] for word in words if word in GENDER_WORDS}
        if len(genders) == 1 and not (path.suffix == ".pkl" and path.with_suffix(".npz").is_file()):
            found.setdefault(genders.pop(), []).append(path)
    if not found:
        raise UserError(
            f"`body` must be an SMPL model file or a folder of them (SMPL_MALE.pkl, SMPL_FEMALE.pkl, SMPL_NEUTRAL.pkl; "
            f"{WHERE}), but `{body}` holds none."
        )
    for gender, paths in found.items():
        if len(paths) > 1:
            names = listed(p.relative_to(body) for p in paths)
            raise UserError(f"`body` must be a folder with one model a gender, but `{body}` has for {gender}: {names}.")
    return {gender: paths[0] for gender, paths in found.items()}
