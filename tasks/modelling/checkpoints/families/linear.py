"""Text classification by a linear model of n-grams: logistic regression or a linear support vector machine on TF-IDF.

Importing this module registers its model and tokenizer, and then it loads like any other::

    import tasks.modelling.checkpoints.families.linear
    from transformers import pipeline

    classify = pipeline("text-classification", "models/classifier")

It has no checkpoint and is not trained by gradients: ``finetune`` fits it (``tasks/modelling/linear``). The tokens are
n-grams, as often as they occur; the model counts them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizer,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from tasks.modelling.linear.choices import Settings as Settings
from tasks.modelling.linear.ngrams import Reader


@strict
class LinearConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The config of a linear classifier, saved in ``config.json``."""

    model_type = "linear"

    vocab_size: int = 1
    """Terms, and the padding, which comes last."""
    word_features: int = 0
    char_features: int = 0
    pair_features: list[int] | None = None
    """Those of the second text of pairs: of words and of characters."""
    hidden_size: int = 2
    """Of an embedding: principal axes, then one axis for each label."""
    pad_token_id: int | None = 0


class LinearTokenizer(PreTrainedTokenizer):
    """The terms of a text that are in the vocabulary, each as often as it occurs; a text has no special tokens."""

    vocab_files_names = {"vocab_file": "vocab.json"}  # noqa: RUF012 — as transformers has it
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self, vocab_file: str, word_ngrams: int = 2, char_ngrams: Sequence[int] | None = None, **settings: Any
    ) -> None:
        self._known: dict[str, int] = json.loads(Path(vocab_file).read_text(encoding="utf-8"))
        self._terms: list[str] = list(self._known)
        span = (char_ngrams[0], char_ngrams[1]) if char_ngrams else None
        self.reader = Reader(self._known, word_ngrams, span)
        super().__init__(word_ngrams=word_ngrams, char_ngrams=char_ngrams, **settings)  # type: ignore[no-untyped-call]

    @property
    def vocab_size(self) -> int:
        return len(self._known)

    def get_vocab(self) -> dict[str, int]:
        return dict(self._known)

    def tokenize(self, text: str, **_: Any) -> list[str]:  # type: ignore[override]
        """Terms only: what in a text looks like a special token is text."""
        return [self._terms[i] for i in self.reader.numbers(text)]

    def _convert_token_to_id(self, token: str) -> int:
        return self._known[token]

    def _convert_id_to_token(self, index: int) -> str:
        return self._terms[index]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """A text without any term is one padding, since a model needs one token; it weighs nothing."""
        return self.reader.joined(token_ids_0, token_ids_1 or []) or [self.vocab_size - 1]

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        file = Path(save_directory) / f"{filename_prefix + '-' if filename_prefix else ''}vocab.json"
        file.write_text(json.dumps(self._known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return (str(file),)


class LinearForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """TF-IDF of the counted tokens, its place on the axes, and a last layer over them."""

    config_class = LinearConfig
    config: LinearConfig

    def __init__(self, config: LinearConfig) -> None:
        super().__init__(config)
        self.idf = nn.Parameter(torch.ones(config.vocab_size), requires_grad=False)
        self.axes = nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or {}))
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Nothing: every weight is loaded."""

    def token_weights(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What each token adds to the TF-IDF of its term, [rows, tokens]: of a term that occurs c times, the c-th part
        of (1 + log c) × idf, words and characters, of each text, each divided by their norm."""
        rows, mask = input_ids.shape[0], attention_mask.to(self.idf.dtype)
        counts = torch.zeros(rows, self.config.vocab_size, dtype=mask.dtype, device=mask.device)
        count = counts.scatter_add(1, input_ids, mask).gather(1, input_ids).clamp(min=1)
        weights = (1 + count.log()) * self.idf[input_ids] * mask
        squares, end = weights.square() / count, 0
        norms: torch.Tensor = torch.ones_like(weights)
        for size in (self.config.word_features, self.config.char_features, *(self.config.pair_features or ())):
            block, end = (input_ids >= end) & (input_ids < end + size), end + size
            norms = torch.where(block, (squares * block).sum(1, keepdim=True), norms)
        return weights / count / norms.sqrt().clamp(min=1e-12)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits [rows, labels]."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = self.token_weights(input_ids, mask)
        if torch.compiler.is_exporting():  # no graph has the other form, which needs less memory
            places = (weights[:, None] @ self.axes(input_ids))[:, 0]
        else:
            places = nn.functional.embedding_bag(input_ids, self.axes.weight, per_sample_weights=weights, mode="sum")
        return SequenceClassifierOutput(logits=self.classifier(places))


AutoConfig.register(LinearConfig.model_type, LinearConfig, exist_ok=True)
AutoModelForSequenceClassification.register(LinearConfig, LinearForSequenceClassification, exist_ok=True)
AutoTokenizer.register(LinearConfig, LinearTokenizer, exist_ok=True)  # type: ignore[no-untyped-call]
