"""An exported classifier: windows in, probabilities out, by onnxruntime."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from vimu.runtime.errors import UserError

FILE = "model.onnx"
INPUT, OUTPUT = "x", "probabilities"
BATCH = 256
"""Windows that are predicted together: more do not make it faster, and take memory."""
INSTALL = "python -m pip install 'vimu[serving]'"


class OnnxModel:
    """One onnxruntime session on the CPU.

    Raises:
        UserError: onnxruntime is not installed, the bytes are no model, or one of other inputs and outputs.
    """

    def __init__(
        self, data: bytes, *, where: str, length_frames: int, n_channels: int, n_classes: int, n_threads: int = 1
    ) -> None:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UserError(f"`onnxruntime` must be installed for this, but is not: {INSTALL}") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no class in common
            raise UserError(f"`{where}` must be an ONNX model, but onnxruntime says: {error}") from error
        given = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        made = [(o.name, o.type, o.shape[1:]) for o in self._session.get_outputs()]
        wanted = [(INPUT, "tensor(float)", [length_frames, n_channels])], [(OUTPUT, "tensor(float)", [n_classes])]
        if (given, made) != wanted:
            raise UserError(f"`{where}` must take and give {wanted}, but takes {given} and gives {made}.")
        self.n_classes = n_classes

    def __call__(self, x: Float[np.ndarray, "windows length channels"]) -> Float[np.ndarray, "windows classes"]:
        """Class probabilities of raw windows, float32."""
        parts = [self._session.run(None, {INPUT: x[i : i + BATCH]})[0] for i in range(0, len(x), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_classes), np.float32)


def require_exporter() -> None:
    """Raise a UserError where the packages that exporting takes are not installed."""
    lacking = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if lacking:
        raise UserError(
            f"`export` needs {' and '.join(lacking)}, which must be installed: {INSTALL} (or leave export out: "
            "--set export=null)"
        )
