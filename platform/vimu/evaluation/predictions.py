"""Predictions as a table: one row a window and seed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.evaluation.results import Experiment
from vimu.windows.schema import WindowSet


def prediction_rows(
    what: Experiment, test: WindowSet, classes: Sequence[str], by_seed: Mapping[int, Float[np.ndarray, "n N"]]
) -> pa.Table:
    """The class that each window was taken for, and its probability.

    Args:
        by_seed: class probabilities of the windows, in order.
    """
    names = np.array(classes)
    tables = []
    for seed, probabilities in by_seed.items():
        n = len(test)
        tables.append(
            pa.table(
                {
                    "window_id": pa.array(test.window_id.tolist()),
                    "subject": pa.array(test.subject.tolist()),
                    "experiment": pa.array([what.experiment] * n),
                    "method": pa.array([what.method] * n),
                    "seed": pa.array([seed] * n, pa.int64()),
                    "truth": pa.array(test.label.tolist()),
                    "predicted": pa.array(names[np.argmax(probabilities, axis=1)].tolist()),
                    "probability": pa.array(np.max(probabilities, axis=1).astype(np.float32)),
                }
            )
        )
    return pa.concat_tables(tables)
