"""What a table's rows are: texts or images, told by its columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pyarrow as pa

Modality = Literal["text", "image"]
TIMESTAMP = pa.timestamp("us", tz="UTC")
TEXT, IMAGE = "text", "image"  # the column that is classified, and so what a table's rows are


def modality(columns: Iterable[str]) -> Modality:
    """What the rows of a table with these columns are."""
    return "image" if IMAGE in set(columns) and TEXT not in set(columns) else "text"
