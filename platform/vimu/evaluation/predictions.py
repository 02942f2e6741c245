"""`predictions.parquet`: every test window's class probabilities, by experiment, method and seed."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.evaluation.results import Experiment
from vimu.windows.schema import WindowSet

SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("window_id", "dataset", "subject", "experiment")),
        pa.field("method", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("truth", "predicted")),
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
    ]
)
"""`probability` is the greatest of `probabilities`. They are in the order of the dataset's classes, which the
metadata's key `classes` holds as JSON."""


def prediction_rows(
    what: Experiment, test: WindowSet, classes: Sequence[str], by_seed: Mapping[int, Float[np.ndarray, "n N"]]
) -> pa.Table:
    """Rows of `SCHEMA` of one result."""
    names = np.array(classes)
    tables = []
    for seed, probabilities in by_seed.items():
        n = len(test)
        columns = {
            "window_id": test.window_id.tolist(),
            "dataset": [what.dataset] * n,
            "subject": test.subject.tolist(),
            "experiment": [what.experiment] * n,
            "method": [what.method] * n,
            "seed": [seed] * n,
            "truth": test.label.tolist(),
            "predicted": names[np.argmax(probabilities, axis=1)].tolist(),
            "probability": np.max(probabilities, axis=1).astype(np.float32),
            "probabilities": _lists(probabilities.astype(np.float32)),
        }
        tables.append(pa.table(columns, schema=SCHEMA))
    return pa.concat_tables(tables)


def predictions_table(rows: Sequence[pa.Table], classes: Mapping[str, Sequence[str]]) -> pa.Table:
    """All rows as one table.

    Args:
        classes: of each dataset, in the order of its probabilities.
    """
    named = {dataset: list(of_dataset) for dataset, of_dataset in classes.items()}
    return pa.concat_tables(rows).replace_schema_metadata({"schema": "vimu.predictions", "classes": json.dumps(named)})


def _lists(values: Float[np.ndarray, "n N"]) -> pa.ListArray:
    n, width = values.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * width, pa.int32()), pa.array(values.ravel()))
