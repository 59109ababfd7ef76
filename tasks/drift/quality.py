"""Rows that should not be there: current texts that the reference holds already, labels that it does not know."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.drift.rows import Rows

SHOWN = 20  # unseen labels


def quality(reference: Rows, current: Rows, trained_on: pa.Array | None) -> dict[str, Any]:
    """Current rows whose text the held-out or the training rows hold word for word, and whose label is new.

    No signals of the gate: the reference's own rows are free of copies by construction, so the two sides differ in
    this without any change.
    """
    return {
        "text_in_held_out": _held(current.text, reference.text),
        "text_in_training": _held(current.text, trained_on),
        "unseen_labels": _unseen(reference, current),
    }


def _held(texts: pa.Array | None, by: pa.Array | None) -> dict[str, float] | None:
    if texts is None or by is None or len(texts) == 0:
        return None
    rows = pc.sum(pc.is_in(texts, value_set=pc.unique(by.cast(texts.type)))).as_py()
    return {"rows": rows, "share": round(rows / len(texts), 4)}


def _unseen(reference: Rows, current: Rows) -> dict[str, int] | None:
    """New labels with their rows, the most frequent first; None where a side has no labels."""
    if "label" not in reference.categories or "label" not in current.categories:
        return None
    known = {label for label in reference.categories["label"] if label is not None}
    counts = Counter(label for label in current.categories["label"] if label is not None and label not in known)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN])
