"""Rows as ``ingest`` leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa

from tasks.dataset.schema import RAW

START = datetime(2020, 1, 1, tzinfo=UTC)
VOCABULARY = [f"word{i}" for i in range(300)]


def raw_table(texts, labels=None, **extra):
    """One row an hour from START on, with further columns."""
    n = len(texts)
    columns = {
        "id": [f"r{i}" for i in range(n)],
        "text": texts,
        "label": labels or ["a"] * n,
        "timestamp": [START + timedelta(hours=i) for i in range(n)],
        "source_file": ["f"] * n,
        "source_row": list(range(n)),
        "source_bytes": [None] * n,
        "problem": [None] * n,
    }
    rows = pa.table(columns, schema=RAW)
    for name, values in extra.items():
        rows = rows.append_column(name, pa.array(values))
    return rows


def texts_with_copies(seed, n):
    """Random texts, about a third of them an earlier one with a word or two changed."""
    random = Random(seed)
    made = []
    for _ in range(n):
        if made and random.random() < 0.35:
            words = random.choice(made).split()
            words[random.randrange(len(words))] = random.choice(VOCABULARY)
        else:
            words = random.choices(VOCABULARY, k=random.randrange(20, 60))
        made.append(" ".join(words))
    return made


def with_problems(rows):
    """Raw rows from (text, label, problem) or (text, label)."""
    rows = [(*row, None)[:3] for row in rows]
    n = len(rows)
    return pa.table(
        {
            "id": [f"r{i}" for i in range(n)],
            "text": [row[0] for row in rows],
            "label": [row[1] for row in rows],
            "timestamp": [None] * n,
            "source_file": ["f"] * n,
            "source_row": range(n),
            "source_bytes": [None] * n,
            "problem": [row[2] for row in rows],
        },
        schema=RAW,
    )
