"""The ways to score and to train that ``bench.speed`` compares: each is made once and then called with texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from bench.finetune import arms as trainings
from bench.speed.rows import FOLDER, LABELS, LONGEST, Sample, classifier, source
from tasks.finetune.batching import Rows
from tasks.modelling.checkpoints import checkpoint
from tasks.score import Params, Precision
from tasks.score import predict as predicting
from tasks.score.passes import TOKENS, passes
from tasks.score.predict import Texts, predict

BATCH = 32
GRAPH = FOLDER / "model.onnx"
MORE = 2  # epochs, whose seconds are a training's
Arm = Callable[[Sample], tuple[float, float]]
"""CPU seconds for a sample, and those before: of a training what is done once, before the first step."""


def _timed(run: Callable[[list[str]], Any], sample: Sample) -> tuple[float, float]:
    started = process_time()
    run(sample.scored)
    return process_time() - started, 0.0


def ours(precision: Precision = "fp32") -> Arm:
    """``tasks.score.predict``; the weights are read before."""
    loaded = checkpoint.load_trained(classifier())

    def run(texts: list[str]) -> None:
        with patch.object(checkpoint, "load_trained", lambda _: loaded):
            section = Params(threads=torch.get_num_threads(), batch_size=BATCH, precision=precision)
            predict(texts, classifier(), section)

    return partial(_timed, run)


def plain() -> Arm:
    """(ours) without what ``tasks/score/passes.py`` saves."""
    arm = ours()

    def run(sample: Sample) -> tuple[float, float]:
        with patch.object(predicting, "trial", lambda _: []), patch.object(predicting, "most_tokens", lambda _: None):
            return arm(sample)

    return run


def pipeline() -> Arm:
    """``transformers.pipeline`` in batches, given the texts from short to long so that it pads little."""
    from transformers import pipeline as made

    call: Any = made("text-classification", str(classifier()), truncation=True, batch_size=BATCH)
    return partial(_timed, lambda texts: call(sorted(texts, key=len)))


def onnx() -> Arm:
    """ONNX Runtime on the graph of ``driftline export``, in the passes that (ours) takes."""
    from tasks.export.compare import with_onnx
    from tasks.export.graph import to_onnx

    tokens, model = checkpoint.load_trained(classifier())
    if not GRAPH.exists():
        example = tokens(["one text", "another, longer text"], padding=True, return_tensors="pt")
        to_onnx(model, {name: example[name] for name in ("input_ids", "attention_mask")}, GRAPH)
    session = with_onnx(GRAPH, torch.get_num_threads())

    def run(texts: list[str]) -> None:
        inputs = Texts(tokens, texts)
        for rows in passes(inputs.lengths(), BATCH, False, TOKENS):
            session({name: values.numpy() for name, values in inputs.batch(rows).items()})

    return partial(_timed, run)


def sentence_transformers() -> Arm:
    """``SentenceTransformer.encode``: embeddings alone, the mean over the tokens, no classifier."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    encoder = Transformer(str(source().folder), max_seq_length=LONGEST)
    model = SentenceTransformer(modules=[encoder, Pooling(encoder.get_word_embedding_dimension())], device="cpu")
    return partial(_timed, lambda texts: model.encode(texts, batch_size=BATCH, show_progress_bar=False))


def _tokenized(sample: Sample) -> trainings.Tokenized:
    starts = np.r_[0, np.cumsum([len(ids) for ids in sample.ids])].astype(np.int64)
    ids, labels = np.concatenate(sample.ids).astype(np.int32), np.arange(len(sample.ids)) % len(LABELS)
    rows = Rows("input_ids", ids, starts, labels.astype(np.int64))
    few = rows.take([0, 1])  # the least that a check can look at
    return trainings.Tokenized(LABELS, rows, few, few)


def _training(train: Callable[..., tuple[float, Any]], *settings: Any) -> Arm:
    """An epoch's seconds: what a training of 1 + MORE of them takes over one of 1."""

    def run(sample: Sample) -> tuple[float, float]:
        with patch.object(trainings, "perf_counter", process_time):
            one, more = (train(_tokenized(sample), 0, epochs, *settings)[0] for epochs in (1, 1 + MORE))
        return (more - one) / MORE, one - (more - one) / MORE

    return run


BF16 = ", bf16"
"""Ends the name of an arm that only a processor with the instructions measures, beside its own rate of products."""
EVERY_LAYER = {"learning_rate": 1e-4, "dropout": 0.0, "probe": False}
SCORING: dict[str, Callable[[], Arm]] = {
    "ours": ours,
    "ours, batches of 32 and the whole last layer": plain,
    "ours" + BF16: partial(ours, "bf16"),
    "transformers.pipeline": pipeline,
    "ONNX Runtime": onnx,
    "sentence-transformers, embeddings alone": sentence_transformers,
}
TRAINING: dict[str, Callable[[], Arm]] = {
    "ours, every layer": lambda: _training(trainings.driftline, EVERY_LAYER, 1),
    "ours, four of six layers frozen": lambda: _training(trainings.driftline, EVERY_LAYER | {"frozen_layers": 4}, 1),
    "Trainer, grouped by length": lambda: _training(trainings.careful),
    "ours, every layer" + BF16: lambda: _training(trainings.driftline, EVERY_LAYER | {"precision": "bf16"}, 1),
    "ours, four of six layers frozen" + BF16: lambda: _training(
        trainings.driftline, EVERY_LAYER | {"frozen_layers": 4, "precision": "bf16"}, 1
    ),
    "Trainer, grouped by length" + BF16: lambda: _training(trainings.careful, True),
}
