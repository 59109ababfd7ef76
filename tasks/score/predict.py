"""Texts or images in, probabilities and embeddings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core.files import read_json
from tasks.core.rows import Modality
from tasks.dataset.schema import scored
from tasks.modelling import decision, pixels
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.decision import Chosen, decide
from tasks.score import Params

if TYPE_CHECKING:
    import torch

CHUNK = 512  # texts handed to the tokenizer at once
BAR_FROM = 200  # rows: fewer are done before a bar is read
Batch = dict[str, "torch.Tensor"]


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


class Texts:
    """Texts, tokenized all at once."""

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self.tokenizer, self.cut = tokenizer, 0
        self.rows: list[dict[str, list[int]]] = []
        for start in range(0, len(texts), CHUNK):
            encoded = tokenizer(list(texts[start : start + CHUNK]), truncation=True, padding=False)
            self.cut += sum(bool(one.overflowing) for one in encoded.encodings)
            self.rows += [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]

    def lengths(self) -> list[int]:
        """Tokens of each."""
        return [len(row["input_ids"]) for row in self.rows]

    def batch(self, places: Iterable[int]) -> Batch:
        """Some of them as the model takes them."""
        made: Batch = dict(self.tokenizer.pad([self.rows[i] for i in places], return_tensors="pt"))
        return made


class Images:
    """Encoded images, decoded as they are needed: what they take then is far more."""

    cut = 0

    def __init__(self, processor: Any, images: Sequence[bytes]) -> None:
        self.processor, self.images = processor, images

    def lengths(self) -> list[int]:
        """All alike."""
        return [1] * len(self.images)

    def batch(self, places: Iterable[int]) -> Batch:
        """Some of them as the model takes them."""
        import torch

        return {"pixel_values": torch.from_numpy(pixels.values(self.processor, [self.images[i] for i in places]))}


READERS: dict[Modality, Callable[[Any, Any], Texts | Images]] = {"text": Texts, "image": Images}


def predict(rows: Sequence[str] | Sequence[bytes], model_folder: Path, section: Params) -> Predicted:
    """Score texts or encoded images in order; a row's result is the same to 1e-5 whatever else is scored with it.

    Without rows the model's weights are not read.
    """
    labels, hidden = checkpoint.labels_and_width(model_folder)
    if not len(rows):
        return Predicted(labels, np.empty((0, len(labels))), np.empty((0, hidden), np.float32), 0)
    chosen = decision.read(read_json(model_folder / "config.json"))
    import torch

    torch.set_num_threads(section.threads)
    prepare, model = checkpoint.load_trained(model_folder)
    torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    inputs = READERS[checkpoint.reads(model_folder)](prepare, rows)
    logits, embeddings = _run(model, inputs, section.batch_size)
    return Predicted(labels, _softmax(logits), embeddings, inputs.cut, chosen)


def _run(
    model: Any, inputs: Texts | Images, batch_size: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Logits [rows, labels] and embeddings [rows, hidden], from short texts to long, put back in order."""
    import torch
    from tqdm import tqdm

    seen: list[torch.Tensor] = []
    last = checkpoint.last_layer(model)
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    order = np.argsort(inputs.lengths(), kind="stable")
    logits = np.empty((len(order), last.out_features), np.float64)
    embeddings = np.empty((len(order), last.in_features), np.float32)
    starts = tqdm(range(0, len(order), batch_size), desc="score", unit=" batches", disable=len(order) < BAR_FROM)
    with torch.inference_mode():
        for start in starts:
            rows = order[start : start + batch_size]
            batch = {name: values.to(model.device) for name, values in inputs.batch(rows).items()}
            logits[rows] = model(**batch).logits.double().cpu().numpy()
            embeddings[rows] = seen.pop().reshape(len(rows), -1).float().cpu().numpy()
    hook.remove()
    return logits, embeddings


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    made: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return made
