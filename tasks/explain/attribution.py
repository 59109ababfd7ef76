"""Which tokens spoke for an answer: integrated gradients over the word embeddings, by Captum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients

from tasks.core.errors import UserError
from tasks.explain import Params
from tasks.modelling.checkpoints import checkpoint


@dataclass(frozen=True)
class Explained:
    """One answer, token by token."""

    pieces: list[tuple[str, float]]
    """The stretches of the text that are tokens and those between, in order, with what each added; between: 0."""
    said: str
    against: str
    margin: float
    """Logit of ``said`` minus that of ``against``."""
    empty: float
    """The same for the text with every token masked."""
    error: float
    """How far the attributions sum from ``margin - empty``, as a share of it."""
    steps: int
    complete: bool
    """Whether the error keeps the tolerance."""
    rest: str
    """What the model did not read of the text."""


class Explainer:
    """A trained classifier whose answers are asked about."""

    def __init__(self, folder: Path, section: Params) -> None:
        torch.set_num_threads(section.threads)
        self._tokenizer, self._model = checkpoint.load_trained(folder)
        self._model.requires_grad_(False)
        self._section = section
        self.labels, _ = checkpoint.labels_and_width(folder)
        self._gradients = LayerIntegratedGradients(self._margin, word_embeddings(self._model))

    def _margin(self, ids: torch.Tensor, mask: torch.Tensor, said: int, against: int) -> torch.Tensor:
        logits = self._model(input_ids=ids, attention_mask=mask).logits
        margins: torch.Tensor = logits[:, said] - logits[:, against]
        return margins

    def explain(self, text: str, against: str | None = None) -> Explained:
        """The model's answer to a text, against another label: by default the second most likely.

        Tokens are masked by the tokenizer's mask token (its padding where it has none); special ones stay.
        """
        encoded = self._tokenizer(text, truncation=True, return_offsets_mapping=True, return_tensors="pt")
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        offsets = [tuple(pair) for pair in encoded["offset_mapping"][0].tolist()]
        special = torch.tensor([[begin == end for begin, end in offsets]])
        masked = torch.where(special, ids, self._blank())
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask).logits[0]
        said = int(logits.argmax())
        other = self.labels.index(against) if against is not None else int(logits.topk(2).indices[1])
        margin, empty = (float(self._margin(x, mask, said, other)[0].detach()) for x in (ids, masked))
        values, steps, error = self._attributed(ids, masked, mask, (said, other), margin - empty)
        last = max((end for _, end in offsets), default=0)
        return Explained(
            _pieces(text, offsets, values),
            self.labels[said],
            self.labels[other],
            round(margin, 6),
            round(empty, 6),
            round(error, 6),
            steps,
            error <= self._section.tolerance,
            text[last:].strip(),
        )

    def _blank(self) -> int:
        tokenizer: Any = self._tokenizer
        return int(tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.pad_token_id)

    def _attributed(
        self, ids: torch.Tensor, masked: torch.Tensor, mask: torch.Tensor, labels: tuple[int, int], whole: float
    ) -> tuple[list[float], int, float]:
        """What each token added, with so many steps as completeness asks for, and how far from complete it is."""
        steps = self._section.steps
        while True:
            given = self._gradients.attribute(
                ids,
                baselines=masked,
                additional_forward_args=(mask, *labels),
                n_steps=steps,
                internal_batch_size=self._section.batch_size,
            )
            values = given.sum(dim=-1)[0].double()
            error = abs(float(values.sum()) - whole) / max(abs(whole), 1e-9)
            if error <= self._section.tolerance or 2 * steps > self._section.most_steps:
                return values.tolist(), steps, error
            steps *= 2


def word_embeddings(model: torch.nn.Module) -> torch.nn.Embedding:
    """The table of the most entries: a vocabulary is larger than whatever else is looked up (places, segments)."""
    tables = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    if not tables:
        raise UserError(
            f"{type(model).__name__} looks no token up in a table: its answers cannot be explained this way"
        )
    return max(tables, key=lambda table: table.num_embeddings)


def _pieces(text: str, offsets: list[tuple[int, ...]], values: list[float]) -> list[tuple[str, float]]:
    """The read part of the text in order; tokens without a stretch of their own (special ones) are left out."""
    pieces: list[tuple[str, float]] = []
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
