"""The published tables: features, interpretations, labels, acceptance."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from vimu.semantics.catalogue import CATALOGUE, FEATURES
from vimu.semantics.rounds import Round, Written
from vimu.semantics.schema import FIELDS


def feature_table(
    window_id: Sequence[str], dataset: Sequence[str], split: Sequence[str],
    features: Mapping[str, Float[np.ndarray, " windows"]],
) -> pa.Table:  # fmt: skip
    """A row a window; NaN becomes null. Units and meanings are in the fields' metadata."""
    columns = [pa.array(window_id), pa.array(dataset), pa.array(split)]
    fields = [pa.field(name, pa.string(), nullable=False) for name in ("window_id", "dataset", "split")]
    for feature in CATALOGUE:
        values = features[feature.name]
        columns.append(pa.array(values.astype(np.float32), mask=np.isnan(values)))
        about = {"group": feature.group, "unit": feature.unit, "meaning": feature.meaning}
        fields.append(pa.field(feature.name, pa.float32(), metadata=about))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={"schema": "vimu.features"}))


def feature_arrays(table: pa.Table) -> dict[str, Float[np.ndarray, " windows"]]:
    """Features of such a table as arrays; null becomes NaN."""
    return {name: np.asarray(table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)) for name in FEATURES}


def interpretation_table(window_id: Sequence[str], written: Sequence[Written]) -> pa.Table:
    """A row a window: the text, its seven fields, and how it came about."""
    columns = {"window_id": pa.array(window_id), "text": pa.array([w.text for w in written])}
    columns |= {name: pa.array([w.fields[i] for w in written], pa.string()) for i, name in enumerate(FIELDS)}
    columns |= {
        "backend": pa.array([w.backend for w in written], pa.string()),
        "round": pa.array([w.round for w in written], pa.int32()),
        "accepted": pa.array([w.accepted for w in written], pa.bool_()),
        "reasons": pa.array([list(w.reasons) for w in written], pa.list_(pa.string())),
    }
    return pa.table(columns).replace_schema_metadata({"schema": "vimu.interpretations"})


def label_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """A row a text about an activity."""
    schema = pa.schema(
        [("label", pa.string()), ("index", pa.int32()), ("source", pa.string()), ("text", pa.string())],
        metadata={"schema": "vimu.label_texts"},
    )
    return pa.Table.from_pylist([dict(row) for row in rows], schema)


def text_hashes(
    window_id: Sequence[str], written: Sequence[Written], labels: Sequence[Mapping[str, object]]
) -> Iterator[tuple[str, str]]:
    """(name, sha256) of each text that a model may learn from, those about activities too, for the content hash."""
    for name, w in zip(window_id, written, strict=True):
        yield name, hashlib.sha256(json.dumps([w.text, w.accepted]).encode()).hexdigest()
    for row in labels:
        yield f"{row['label']}/{row['index']}", hashlib.sha256(str(row["text"]).encode()).hexdigest()


def acceptance_table(rounds: Sequence[Round]) -> pa.Table:
    """A row a round and outcome: `asked`, `accepted`, then each gate that flagged windows."""
    rows = [
        {"round": r.number, "outcome": outcome, "windows": n}
        for r in rounds
        for outcome, n in {"asked": r.asked, "accepted": r.accepted, **r.flagged}.items()
    ]
    schema = pa.schema([("round", pa.int32()), ("outcome", pa.string()), ("windows", pa.int64())])
    return pa.Table.from_pylist(rows, schema)
