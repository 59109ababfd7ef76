"""Pairs of texts, made in memory: the second text's topic is the label, the first one's misleads."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from tests.support.topics import FILLING, WORDS

START = datetime(2024, 1, 1, tzinfo=UTC)
LABELS = sorted(WORDS)


def pairs(count, seed=0):
    """Rows an hour apart; every two share their first text."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        if i % 2 == 0:
            first = _text(draw, draw.choice(LABELS), f"n{seed}x{i}")
        label = draw.choice(LABELS)
        row = {"id": f"{seed}-{i:04d}", "text": first, "text_pair": _text(draw, label, f"m{seed}x{i}"), "label": label}
        rows.append(row | {"timestamp": START + timedelta(hours=i)})
    return pa.Table.from_pylist(rows)


def _text(draw, topic, name):
    words = draw.choices(FILLING, k=6) + draw.choices(WORDS[topic], k=3)
    draw.shuffle(words)
    return " ".join([*words, name])


def splits(train=160, held_out=40):
    """Train, validation and test."""
    sizes = {"train": train, "validation": held_out, "test": held_out}
    return {name: pairs(size, seed) for seed, (name, size) in enumerate(sizes.items())}
