"""Token attributions by integrated gradients over the word embeddings (Sundararajan, Taly and Yan 2017)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.core.rows import Text, texts_of
from tasks.explain import Params
from tasks.explain.explained import Contrast, Explained, Pieces, Unexplained, contrast, margin_of
from tasks.modelling.checkpoints import checkpoint

Inputs = dict[str, torch.Tensor]
"""What a model is given beside its tokens: their mask, and of pairs their types; each [1, tokens]."""


def path_integral(
    start: torch.Tensor, end: torch.Tensor, gradients: Callable[[torch.Tensor], torch.Tensor], steps: int, batch: int
) -> torch.Tensor:
    """Integrated gradients from ``start`` to ``end``, all [1, ...], by Gauss-Legendre quadrature with ``steps`` points.

    ``gradients``: at each of some points [points, ...], ``batch`` of them at once.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shape = (-1, *[1] * (start.ndim - 1))
    positions, shares = (
        torch.tensor(values, dtype=start.dtype).reshape(shape) for values in ((1 + nodes) / 2, weights / 2)
    )
    total = torch.zeros_like(start)
    for chosen in torch.split(torch.arange(steps), batch):
        total += (gradients(start + positions[chosen] * (end - start)) * shares[chosen]).sum(0)
    return total * (end - start)


def until_complete(
    attributed: Callable[[int], torch.Tensor], difference: float, section: Params
) -> tuple[torch.Tensor, int, float]:
    """Attributions by so many steps that they sum to ``difference`` within the tolerance, or by the most that the
    section allows; the steps, and how far the sum is from it."""
    steps = section.steps
    while True:
        values = attributed(steps)
        error = abs(float(values.sum()) - difference) / max(abs(difference), 1e-9)
        if error <= section.tolerance or 2 * steps > section.max_steps:
            return values, steps, error
        steps *= 2


class Explainer:
    """A trained classifier whose predictions are explained."""

    def __init__(self, folder: Path, section: Params) -> None:
        torch.set_num_threads(section.threads)
        self.tokenizer, self.model = checkpoint.load_trained(folder)
        self.model.requires_grad_(False)
        self._section = section
        self._embedding = word_embeddings(self.model)
        self._tables = [table for table in _tables(self.model) if table.weight is self._embedding.weight]
        self.labels = checkpoint.labels_of(folder)

    def _margin(self, ids: torch.Tensor, beside: Inputs, labels: Contrast) -> torch.Tensor:
        beside = {name: values.expand(len(ids), -1) for name, values in beside.items()}
        margin: torch.Tensor = margin_of(self.model(input_ids=ids, **beside).logits, labels)
        return margin

    def explain(self, text: Text, other: str | None = None, label: str | None = None) -> Explained:
        """The prediction for a text, compared with another label: by default, and for one that the model does not know,
        the second most likely. Of a model that gives several, ``label``, by default the likeliest, against its absence.

        Tokens are masked by the tokenizer's mask token (its padding token if it has none); special ones stay.
        """
        texts = texts_of(text)
        encoded = self.tokenizer(*texts, truncation=True, return_offsets_mapping=True, return_tensors="pt")
        names = ("attention_mask", *(("token_type_ids",) if texts[1:] else ()))
        ids, beside = encoded["input_ids"], {name: encoded[name] for name in names if name in encoded}
        offsets = [tuple(pair) for pair in encoded["offset_mapping"][0].tolist()]
        special = torch.tensor([[begin == end for begin, end in offsets]])
        masked = torch.where(special, ids, self.mask_token())
        with torch.inference_mode():
            logits = self.model(input_ids=ids, **beside).logits[0]
            labels = contrast(logits.numpy(), self.model.config.to_dict(), self.labels, label, other)
            margin = float(margin_of(logits, labels))
            masked_margin = float(self._margin(masked, beside, labels)[0])
        values, steps, error = self._attributed(ids, masked, beside, labels, margin - masked_margin)
        sides = encoded.sequence_ids(0) if texts[1:] else [0] * len(offsets)
        of_side = [[i for i, its in enumerate(sides) if its == side] for side in range(len(texts))]
        read = [([offsets[i] for i in its], [values[i] for i in its]) for its in of_side]
        pieces, *second = (_pieces(its, *found) for its, found in zip(texts, read, strict=True))
        ends = [max((end for _, end in its), default=0) for its, _ in read]
        return Explained(
            pieces,
            self.labels[labels[0]],
            None if labels[1] is None else self.labels[labels[1]],
            round(margin, 6),
            round(masked_margin, 6),
            round(error, 6),
            steps,
            error <= self._section.tolerance,
            "".join(its[end:].strip() for its, end in zip(texts, ends, strict=True)),
            *second,
        )

    def mask_token(self) -> int:
        tokenizer: Any = self.tokenizer
        return int(tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.pad_token_id)

    def _attributed(
        self, ids: torch.Tensor, masked: torch.Tensor, beside: Inputs, labels: Contrast, difference: float
    ) -> tuple[list[float], int, float]:
        """Attribution of each token, the steps taken until they were complete, and how far they are from it."""
        values, steps, error = until_complete(
            lambda steps: self.integrated_gradients(ids, masked, beside, labels, steps), difference, self._section
        )
        return values.tolist(), steps, error

    def integrated_gradients(
        self, ids: torch.Tensor, masked: torch.Tensor, beside: Inputs, labels: Contrast, steps: int
    ) -> torch.Tensor:
        """Attribution [tokens] of the margin, from ``masked`` to ``ids``, both [1, tokens]."""
        start, end = self._embedding(masked), self._embedding(ids)
        gradients = partial(self._gradients, ids=ids, beside=beside, labels=labels)
        return path_integral(start, end, gradients, steps, self._section.batch_size).sum(dim=-1)[0].double()

    def _gradients(self, points: torch.Tensor, ids: torch.Tensor, beside: Inputs, labels: Contrast) -> torch.Tensor:
        """Gradient of the margin at each of ``points`` [points, tokens, hidden] in place of the embeddings."""
        points.requires_grad_(True)
        ids = ids.expand(len(points), -1)
        hooks = [
            table.register_forward_hook(lambda _, given, made: _placed(given[0], made, ids, points))
            for table in self._tables
        ]
        try:
            margin = self._margin(ids, beside, labels)
        finally:
            for hook in hooks:
                hook.remove()
        if not margin.requires_grad:
            raise Unexplained(
                f"{type(self.model).__name__} does not look up its tokens one by one: it cannot be explained"
            )
        return torch.autograd.grad(margin.sum(), points)[0]


def _placed(called: torch.Tensor, made: torch.Tensor, ids: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """What a lookup of ``called`` gives once ``points`` [rows, tokens, hidden] stand for ``ids`` [rows, tokens].

    A model may look up more than the ids: padding up to its window, tokens by rows, or, for a decoder, the ids shifted.
    """
    rows, tokens = ids.shape
    if called.ndim != 2:
        return made
    if len(called) == rows and torch.equal(called[:, :tokens], ids):
        return torch.cat([points, made[:, tokens:]], 1)
    if torch.equal(called, ids.T):
        return points.transpose(0, 1)
    if called.shape == ids.shape and torch.equal(called[:, 1:], ids[:, :-1]):
        return torch.cat([made[:, :1], points[:, :-1]], 1)
    return made


def word_embeddings(model: PreTrainedModel) -> torch.nn.Embedding:
    """The table of the words: the one that a model names, or the largest, since a vocabulary is larger than positions
    or segments. Of several that share their weights, as an encoder's and a decoder's do, the last is looked up."""
    tables = _tables(model)
    if not tables:
        raise Unexplained(f"{type(model).__name__} has no embedding table: it cannot be explained")
    try:
        named = model.get_input_embeddings()
    except NotImplementedError:
        named = None
    own = named if named in tables else max(tables, key=lambda table: table.num_embeddings)
    return [table for table in tables if table.weight is own.weight][-1]


def _tables(model: PreTrainedModel) -> list[torch.nn.Embedding]:
    return [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]


def _pieces(text: str, offsets: list[tuple[int, ...]], values: list[float]) -> Pieces:
    """The read part of the text in order; special tokens are left out."""
    pieces: Pieces = []
    at = 0
    for (begin, end), value in zip(offsets, values, strict=True):
        if begin >= end:
            continue
        if begin > at:
            pieces.append((text[at:begin], 0.0))
        if begin >= at:
            pieces.append((text[begin:end], round(value, 6)))
        at = max(at, end)
    return pieces
