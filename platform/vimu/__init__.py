"""vimu: virtual IMUs from motion capture, on Ray.

Without Ray, in a notebook::

    import vimu
    rec = vimu.synthesize("x_poses.npz", body="SMPL_NEUTRAL.npz", placements=["left_wrist", "right_thigh", "head"])
    rec.acc, rec.ori, rec.gyr, rec.rate_hz
    windows = vimu.load_windows("runs/demo")
"""

from vimu.clips.synthesis import synthesize
from vimu.contracts import ImuRecording, Rejection
from vimu.runtime.errors import UserError
from vimu.windows.schema import WindowSet, load_windows

__version__ = "0.1.0"

__all__ = ["ImuRecording", "Rejection", "UserError", "WindowSet", "__version__", "load_windows", "synthesize"]
