"""Texts of any number of topics, none included, made in memory."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from tasks.dataset.labels import MULTI

WORDS = {
    "food": ["soup", "bread", "cheese", "kitchen"],
    "money": ["bank", "price", "market", "loan"],
    "sport": ["goal", "match", "team", "coach"],
}
FILLING = ["we", "you", "this", "week", "again", "please", "new", "time", "about", "under"]
START = datetime(2024, 1, 1, tzinfo=UTC)


def topics(count, seed=0, lists=False):
    """Rows with 0, 1 and 2 topics, an hour apart; the column ``label`` as cells, or ``lists`` as a source has them."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        labels = draw.sample(sorted(WORDS), draw.choice([0, 1, 1, 2]))
        words = draw.choices(FILLING, k=8) + [word for label in labels for word in draw.choices(WORDS[label], k=2)]
        if draw.random() < 0.2:  # some words that mislead
            words.append(draw.choice(draw.choice(list(WORDS.values()))))
        draw.shuffle(words)
        row = {"id": f"{seed}-{i:04d}", "text": " ".join([*words, f"n{seed}x{i}"])}
        rows.append(row | {"label": labels if lists else MULTI.cell(labels), "timestamp": START + timedelta(hours=i)})
    return pa.Table.from_pylist(rows)


def splits(train=160, held_out=60):
    """Train, validation and test."""
    sizes = {"train": train, "validation": held_out, "test": held_out}
    return {name: topics(size, seed) for seed, (name, size) in enumerate(sizes.items())}
