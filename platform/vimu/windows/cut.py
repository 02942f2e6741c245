"""Windows of equal length from frames in a row."""

import numpy as np
from jaxtyping import Float, Int


def n_windows(n_frames: int, *, length_frames: int, hop_frames: int) -> int:
    """How many whole windows fit; a remainder at the end is left over."""
    return max(0, (n_frames - length_frames) // hop_frames + 1)


def cut(
    frames: Float[np.ndarray, "frames channels"], *, length_frames: int, hop_frames: int
) -> tuple[Float[np.ndarray, "windows length channels"], Int[np.ndarray, " windows"]]:
    """All whole windows and the frame at which each starts."""
    n = n_windows(len(frames), length_frames=length_frames, hop_frames=hop_frames)
    starts = np.arange(n) * hop_frames
    if n == 0:
        return np.empty((0, length_frames, frames.shape[1]), frames.dtype), starts
    view = np.lib.stride_tricks.sliding_window_view(frames, length_frames, axis=0)[::hop_frames][:n]
    return np.ascontiguousarray(view.transpose(0, 2, 1)), starts
