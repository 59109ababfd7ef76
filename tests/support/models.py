"""Encoders of a few thousand weights, rows of random tokens for them, and how they are trained in a second."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tasks.core.params import Model
from tasks.finetune.batching import Rows
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training.checkpoint_store import CheckpointStore

NO_CHECKPOINTS = CheckpointStore(Path("/nowhere"), math.inf)
QUICK = {"batch_size": 8, "learning_rate": 5e-3, "threads": 1}
SMALL = {"vocab_size": 60, "num_labels": 2, "max_position_embeddings": 64}
BERT_LIKE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SMALL, **BERT_LIKE)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL, **BERT_LIKE, pad_token_id=1)),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(**SMALL, dim=16, n_layers=3, n_heads=2, hidden_dim=32)
    ),
}


def ragged(count, *, seed=0, vocabulary=60, labels=2, longest=20):
    """Rows of random tokens, each of its own length."""
    random = np.random.default_rng(seed)
    starts = np.r_[0, np.cumsum(random.integers(2, longest, count))]
    ids = random.integers(5, vocabulary, starts[-1]).astype(np.int32)
    return Rows("input_ids", ids, starts, random.integers(0, labels, count))


def digests(folder):
    """The sha256 of every file in a folder."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def rnn(tiny_checkpoint, **config):
    """The family rnn with the tiny checkpoint's tokenizer."""
    named = Model(name=str(tiny_checkpoint), family="rnn", config={"hidden_size": 16, **config})
    return checkpoint.resolve(named)
