"""Numba's compiler, as all of vimu uses it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
from jaxtyping import Float
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as machine code, made when it is first called with some types, for the calling thread only.

    The code is kept where `NUMBA_CACHE_DIR` says, else beside the module, else in the user's cache folder; where none
    of them can be written, each process compiles for itself. Of the fast-math licences only the fusing of a product and
    a sum is given: NaN, infinities and the order of sums are IEEE's.
    """
    options = {"fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba's "no locator available": nowhere to write
        return njit(**options)(function)  # type: ignore[no-any-return]


def plain(array: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """float64 in C order, and read-only as arrays of files are: numba compiles anew for each kind of array."""
    view = np.ascontiguousarray(array, np.float64).view()
    view.flags.writeable = False
    return view
