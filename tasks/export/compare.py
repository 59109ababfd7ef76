"""Agreement, speed and size of an exported graph compared with the trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from tasks.core.rows import Text, apart, whole
from tasks.export.graph import INPUTS, TYPES, require_onnx

Logits = npt.NDArray[np.float64]
Batch = dict[str, npt.NDArray[np.int64]]
Runs = Callable[[Batch], npt.NDArray[Any]]


@dataclass(frozen=True)
class Measured:
    """One form of the classifier on the test rows."""

    logits: Logits
    """[rows, labels], in the order of the rows."""
    rows_per_second: float
    """In batches."""
    milliseconds: float
    """Median for one text at a time."""


Measures = dict[str, Measured]


def with_torch(model: PreTrainedModel) -> Runs:
    """The trained model itself."""

    def run(batch: Batch) -> npt.NDArray[Any]:
        with torch.inference_mode():
            found: npt.NDArray[Any] = model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits.numpy()
        return found

    return run


def with_onnx(file: Path, threads: int) -> Runs:
    """A graph under onnxruntime, on the CPU."""
    require_onnx()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(batch: Batch) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = session.run(["logits"], batch)[0]
        return found

    return run


def batch_of(tokenizer: Any, texts: Sequence[Text]) -> Batch:
    """The graph's input for texts or pairs of them, truncated by the tokenizer."""
    columns = apart(texts)
    encoded = tokenizer(*columns, truncation=True, padding=True, return_tensors="np")
    typed = (TYPES,) if columns[1:] and TYPES in encoded else ()
    return {name: encoded[name].astype(np.int64) for name in (*INPUTS, *typed)}


def measure(forms: dict[str, Runs], tokenizer: Any, texts: Sequence[Text], batch_size: int, repeat: int) -> Measures:
    """Run all texts in batches, from short to long, and ``repeat`` of them one by one.

    The forms alternate at every batch, so that other load on the machine slows all of them alike.
    """
    order = np.argsort([len(whole(text)) for text in texts], kind="stable")
    cut = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    logits, seconds = _alternating(forms, tokenizer, [[texts[i] for i in rows] for rows in cut], "in batches")
    single = [[text] for text in texts[:: max(1, len(texts) // repeat)][:repeat]]
    _, each = _alternating(forms, tokenizer, single, "one by one")
    back = np.argsort(np.concatenate(cut))
    return {
        name: Measured(logits[name][back], len(texts) / sum(seconds[name]), 1000 * float(np.median(each[name])))
        for name in forms
    }


def _alternating(
    forms: dict[str, Runs], tokenizer: Any, batches: Sequence[Sequence[Text]], what: str
) -> tuple[dict[str, Logits], dict[str, list[float]]]:
    """Logits [rows, labels] and seconds [batches] of each form, after one warm-up batch."""
    logits: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in forms}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for run in forms.values():
        run(batch_of(tokenizer, batches[0]))
    for texts in tqdm(batches, desc=what, unit=" batches", mininterval=1):
        batch = batch_of(tokenizer, texts)
        for name, run in forms.items():
            start = perf_counter()
            logits[name].append(run(batch))
            seconds[name].append(perf_counter() - start)
    return {name: np.concatenate(parts).astype(np.float64) for name, parts in logits.items()}, seconds
