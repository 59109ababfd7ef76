"""Texts in, probabilities and embeddings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks import checkpoint, decision
from tasks.artefacts import read_json
from tasks.decision import Chosen, decide
from tasks.schema import scored
from tasks.score import Params

CHUNK = 512  # texts handed to the tokenizer at once
BAR_FROM = 200  # texts: fewer are done before a bar is read


@dataclass(frozen=True)
class Predicted:
    """What the classifier says, row for row."""

    labels: list[str]
    probabilities: npt.NDArray[np.float64]
    """[rows, labels], each row summing to 1."""
    embeddings: npt.NDArray[np.float32]
    """[rows, hidden]: the input of the last layer."""
    cut: int
    """How many texts were longer than the model takes."""
    chosen: Chosen | None = None
    """The model's thresholds."""

    @property
    def decisions(self) -> list[str | None]:
        """The label to act on, or None: abstain."""
        return decide(self.probabilities, self.labels, self.chosen)

    def table(self, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The rows as schema.scored."""
        best = self.probabilities.argmax(axis=1)
        predictions = pa.array([self.labels[i] for i in best], pa.string())
        columns = [ids, predictions, self.probabilities.max(axis=1), *self.probabilities.T]
        columns.append(pa.array(self.decisions, pa.string()))
        return pa.table([_plain(column) for column in columns], schema=scored(self.labels))


def _plain(column: Any) -> Any:
    return np.ascontiguousarray(column) if isinstance(column, np.ndarray) else column


def predict(texts: Sequence[str], model_folder: Path, section: Params) -> Predicted:
    """Score ``texts`` in order; a row's result is the same to 1e-5 whatever else is scored with it.

    Without texts the model's weights are not read.
    """
    labels, hidden = checkpoint.labels_and_width(model_folder)
    if not len(texts):
        return Predicted(labels, np.empty((0, len(labels))), np.empty((0, hidden), np.float32), 0)
    chosen = decision.read(read_json(model_folder / "config.json"))
    import torch

    torch.set_num_threads(section.threads)
    tokenizer, model = checkpoint.load_trained(model_folder)
    torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    inputs, cut = _tokenized(tokenizer, texts)
    logits, embeddings = _run(model, tokenizer, inputs, section.batch_size)
    return Predicted(labels, _softmax(logits), embeddings, cut, chosen)


def _tokenized(tokenizer: Any, texts: Sequence[str]) -> tuple[list[dict[str, list[int]]], int]:
    inputs: list[dict[str, list[int]]] = []
    cut = 0
    for start in range(0, len(texts), CHUNK):
        encoded = tokenizer(list(texts[start : start + CHUNK]), truncation=True, padding=False)
        cut += sum(bool(one.overflowing) for one in encoded.encodings)
        inputs += [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    return inputs, cut


def _run(
    model: Any, tokenizer: Any, inputs: Sequence[dict[str, list[int]]], batch_size: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Logits [rows, labels] and embeddings [rows, hidden], from short texts to long, put back in order."""
    import torch
    from tqdm import tqdm

    seen: list[torch.Tensor] = []
    last = checkpoint.last_layer(model)
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    order = np.argsort([len(row["input_ids"]) for row in inputs], kind="stable")
    logits = np.empty((len(inputs), last.out_features), np.float64)
    embeddings = np.empty((len(inputs), last.in_features), np.float32)
    starts = tqdm(range(0, len(order), batch_size), desc="score", unit=" batches", disable=len(order) < BAR_FROM)
    with torch.inference_mode():
        for start in starts:
            rows = order[start : start + batch_size]
            batch = tokenizer.pad([inputs[i] for i in rows], return_tensors="pt").to(model.device)
            logits[rows] = model(**batch).logits.double().cpu().numpy()
            embeddings[rows] = seen.pop().reshape(len(rows), -1).float().cpu().numpy()
    hook.remove()
    return logits, embeddings


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    made: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return made
