"""Short reviews with labels that have an order, whose neighbours share words; made in memory."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from tasks.dataset.labels import LabelFormat

NAMES = ("poor", "fair", "good")
"""Lowest first, and not in the order of the alphabet."""
BY_NAME = LabelFormat("ordinal", NAMES)
BY_NUMBER = LabelFormat("ordinal")
WORDS = [["broken", "refund", "awful"], ["late", "dull", "average"], ["solid", "quick", "lovely"]]
FILLING = ["we", "you", "this", "week", "again", "please", "new", "time", "about", "under"]
START = datetime(2024, 1, 1, tzinfo=UTC)


def reviews(count, seed=0, names=NAMES):
    """Rows an hour apart, of which a third have each label; some have words of a neighbour, a few no others."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        place = i % 3
        neighbour, chance = WORDS[place - 1 if place else 1], draw.random()
        words = draw.choices(FILLING, k=6) + draw.choices(neighbour if chance < 0.1 else WORDS[place], k=3)
        if chance > 0.7:
            words += draw.choices(neighbour, k=2)
        draw.shuffle(words)
        row = {"id": f"{seed}-{i:04d}", "text": " ".join([*words, f"n{seed}x{i}"]), "label": names[place]}
        rows.append(row | {"timestamp": START + timedelta(hours=i)})
    return pa.Table.from_pylist(rows)


def splits(train=150, held_out=60, names=NAMES):
    """Train, validation and test."""
    sizes = {"train": train, "validation": held_out, "test": held_out}
    return {name: reviews(size, seed, names) for seed, (name, size) in enumerate(sizes.items())}
