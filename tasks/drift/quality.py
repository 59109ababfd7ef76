"""Current rows that repeat a held-out or training text, and labels that the reference does not have."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.tables import batches
from tasks.drift.rows import Rows

MAX_LABELS = 20  # unseen ones that are listed


def quality(reference: Rows, current: Rows, training_texts: pa.ChunkedArray | None) -> dict[str, Any]:
    """Current rows whose exact text is among the held-out or the training rows, and rows by unseen label.

    These are no signals of the verdict: the reference is deduplicated, so the two sides differ in copies without drift.
    """
    return {
        "text_in_held_out": _copies(current.text, reference.text),
        "text_in_training": _copies(current.text, training_texts),
        "unseen_labels": _unseen(reference, current),
    }


def _copies(texts: pa.ChunkedArray | None, of: pa.ChunkedArray | None) -> dict[str, float] | None:
    if texts is None or of is None or len(texts) == 0:
        return None
    known = pc.unique(of).cast(texts.type)
    rows = sum(pc.sum(pc.is_in(batch, value_set=known)).as_py() for batch in batches(texts))
    return {"rows": rows, "share": round(rows / len(texts), 4)}


def _unseen(reference: Rows, current: Rows) -> dict[str, int] | None:
    """New labels with their rows, the most frequent first; None where a side has no labels."""
    if "label" not in reference.categories or "label" not in current.categories:
        return None
    known, counts = (side.cells.count(side.categories["label"].tolist()) for side in (reference, current))
    counts = Counter({label: rows for label, rows in counts.items() if label not in known})
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_LABELS])
