"""The row types: what a column is called and what it holds, for every table that passes between stages.

Extra columns of the source follow these, untouched.
"""

from __future__ import annotations

import pyarrow as pa

from tasks.core.rows import IMAGE, TEXT, TEXT_PAIR, TIMESTAMP

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
RAW_PAIRS = RAW.insert(RAW.get_field_index(TEXT) + 1, pa.field(TEXT_PAIR, pa.string()))
RAW_IMAGES = RAW.set(RAW.get_field_index(TEXT), pa.field(IMAGE, pa.binary()))  # encoded, as the source has it
IMAGE_PROPERTIES = pa.schema(  # what validate saw when it decoded an image; the rows that pass keep it
    [
        pa.field("image_bytes", pa.int64()),
        pa.field("image_format", pa.string()),
        pa.field("image_mode", pa.string()),
        pa.field("image_width", pa.int64()),  # as shown, after the turn that EXIF asks for
        pa.field("image_height", pa.int64()),
        pa.field("image_brightness", pa.float64()),  # mean and standard deviation of the grey levels, 0 to 255
        pa.field("image_contrast", pa.float64()),
        pa.field("image_pixels", pa.string()),  # sha256 of the pixels in RGB: what two files of one picture share
    ]
)
BASE = {(TEXT,): RAW, (TEXT, TEXT_PAIR): RAW_PAIRS, (IMAGE,): RAW_IMAGES}
"""By the columns that are classified (``tasks.core.rows.inputs``)."""
REASONS = pa.field("reasons", pa.list_(pa.string()))  # what quarantine adds

TOKENS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("label", pa.int64(), nullable=False),  # position in data/tokens/labels.json
    ]
)
TOKEN_TYPES = pa.field("token_type_ids", pa.list_(pa.int8()), nullable=False)
"""Of pairs, where the model reads them: which text each token is of."""
TEXTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),  # whole, for a family that finds its own tokens
        pa.field("label", pa.int64(), nullable=False),
    ]
)
PAIRS = TEXTS.insert(2, pa.field(TEXT_PAIR, pa.string(), nullable=False))
PIXELS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("pixels", pa.binary(), nullable=False),  # uint8 [channels, height, width] of data/tokens/pixels.json
        pa.field("label", pa.int64(), nullable=False),
    ]
)


def scored(labels: list[str]) -> pa.Schema:
    """What ``score`` writes: one row for each row it was given, in that order."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("prediction", pa.string(), nullable=False),  # the likeliest label, or the cell of several
            pa.field("confidence", pa.float64(), nullable=False),  # how probable it is
            *(pa.field(f"probability_{label}", pa.float64(), nullable=False) for label in labels),
            pa.field("decision", pa.string()),  # the prediction acted on, or null: abstain
        ]
    )
