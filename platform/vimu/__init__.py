"""vimu: virtual IMUs from motion capture, on Ray.

Without Ray, in a notebook::

    import vimu
    rec = vimu.synthesize("x_poses.npz", body="SMPL_NEUTRAL.npz", placements=["left_wrist", "right_thigh", "head"])
    rec.acc, rec.ori, rec.gyr, rec.rate_hz
    windows = vimu.load_windows("runs/demo")
    recognizer = vimu.Recognizer.load("runs/demo")
"""

from typing import TYPE_CHECKING, Any

from vimu.clips.synthesis import synthesize
from vimu.contracts import ImuRecording, Rejection
from vimu.runtime.errors import UserError
from vimu.windows.schema import WindowSet, load_windows

if TYPE_CHECKING:
    from vimu.serving.recognizer import Recognizer

__version__ = "0.1.0"

__all__ = [
    "ImuRecording", "Recognizer", "Rejection", "UserError", "WindowSet", "__version__", "load_windows", "synthesize",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`Recognizer` when it is first asked for: orientation filters come with it, which others do without."""
    if name == "Recognizer":
        from vimu.serving.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module `vimu` has no attribute `{name}`")
