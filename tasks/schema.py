"""The row types: what a column is called and what it holds, for every table that passes between stages.

Extra columns of the source follow these, untouched.
"""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

RAW = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("label", pa.string()),
        pa.field("timestamp", TIMESTAMP),
        pa.field("source_file", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),  # 0-based, of the records of that file
        pa.field("source_bytes", pa.binary()),  # the record as it stood, where it could not be read as a row
        pa.field("problem", pa.string()),  # why it could not: a reason code
    ]
)
REASONS = pa.field("reasons", pa.list_(pa.string()))  # what quarantine adds

TOKENS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("label", pa.int64(), nullable=False),  # position in data/tokens/labels.json
    ]
)


def scored(labels: list[str]) -> pa.Schema:
    """What ``score`` writes: one row for each row it was given, in that order."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("prediction", pa.string(), nullable=False),  # the most probable label
            pa.field("confidence", pa.float64(), nullable=False),  # its probability
            *(pa.field(f"probability_{label}", pa.float64(), nullable=False) for label in labels),
            pa.field("decision", pa.string()),  # the label acted on, or null: abstain
        ]
    )
