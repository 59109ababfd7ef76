"""Texts or images in, probabilities and embeddings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.rows import Modality, Text
from tasks.dataset.schema import scored
from tasks.modelling import decision, pixels
from tasks.modelling.checkpoints import checkpoint, head
from tasks.modelling.linear.choices import FAMILY
from tasks.modelling.targets import registry
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Decision, Target
from tasks.score import Params, Precision
from tasks.score.passes import cls_only_last_layer, most_tokens, passes, trial
from tasks.score.precision import forward_pass, refuse_unfit

if TYPE_CHECKING:
    import torch

CHUNK = 512  # texts tokenized at once
MIN_BAR_ROWS = 200  # fewer rows show no progress bar
Batch = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Predicted:
    """Predictions, row for row."""

    labels: list[str]
    probabilities: npt.NDArray[np.float64]
    """[rows, labels]; with ``task: single_label`` each row sums to 1."""
    embeddings: npt.NDArray[np.float32]
    """[rows, hidden]: the input of the last layer."""
    truncated: int
    """Texts that were truncated."""
    thresholds: Decision | None = None
    target: Target = SINGLE_LABEL

    @classmethod
    def of_probabilities(cls, labels: list[str], probabilities: npt.NDArray[np.float64]) -> Predicted:
        """Of a classifier without embeddings."""
        return cls(labels, probabilities, np.empty((len(probabilities), 0), np.float32), 0)

    @property
    def answers(self) -> list[str]:
        """The predictions, as schema.scored has them."""
        return self.target.answers(self.probabilities, self.labels, self.thresholds)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """How probable each is, [rows]."""
        return self.target.confidence(self.probabilities, self.labels, self.thresholds)

    @property
    def decisions(self) -> list[str | None]:
        """The prediction to act on, or None: abstain."""
        return self.target.decisions(self.probabilities, self.labels, self.thresholds)

    def table(self, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The rows as schema.scored."""
        columns = [ids, pa.array(self.answers, pa.string()), self.confidence, *self.probabilities.T]
        columns.append(pa.array(self.decisions, pa.string()))
        return pa.table([_contiguous(column) for column in columns], schema=scored(self.labels))


def _contiguous(column: Any) -> Any:
    return np.ascontiguousarray(column) if isinstance(column, np.ndarray) else column


class Texts:
    """Texts, all tokenized first; the model is given what it was trained on, ids and their mask."""

    def __init__(self, tokenizer: Any, texts: Sequence[Text]) -> None:
        self.tokenizer, self.truncated = tokenizer, 0
        self.rows: list[list[int]] = []
        self.types: list[list[int]] = []
        for start in range(0, len(texts), CHUNK):
            found = checkpoint.encoded(tokenizer, texts[start : start + CHUNK])
            self.rows += found.ids
            self.types += found.types or []
            self.truncated += found.truncated

    def lengths(self) -> list[int]:
        """Tokens per text."""
        return [len(row) for row in self.rows]

    def batch(self, rows: Iterable[int]) -> Batch:
        """The model's input for some rows."""
        chosen = list(rows)
        given = {"input_ids": [self.rows[i] for i in chosen]}
        if self.types:
            given["token_type_ids"] = [self.types[i] for i in chosen]
        batch: Batch = dict(self.tokenizer.pad(given, return_tensors="pt", padding_side="right"))
        return {name: batch[name] for name in (*given, "attention_mask")}


class Images:
    """Encoded images, decoded batch by batch to save memory."""

    truncated = 0

    def __init__(self, processor: Any, images: Sequence[bytes]) -> None:
        self.processor, self.images = processor, images

    def lengths(self) -> list[int]:
        """Images are all of one length."""
        return [1] * len(self.images)

    def batch(self, rows: Iterable[int]) -> Batch:
        """The model's input for some rows."""
        import torch

        return {"pixel_values": torch.from_numpy(pixels.values(self.processor, [self.images[i] for i in rows]))}


INPUTS: dict[Modality, Callable[[Any, Any], Texts | Images]] = {"text": Texts, "image": Images}


def predict(rows: Sequence[Text] | Sequence[bytes], model_folder: Path, section: Params) -> Predicted:
    """Score texts, pairs of them or encoded images in order; in fp32 a row's result is the same to 1e-5 whatever is
    scored with it.

    Without rows the model's weights are not read. UserError for a precision that the model does not have, and for
    pairs where it reads one text, or the other way round.
    """
    labels = checkpoint.labels_of(model_folder)
    config = read_json(model_folder / "config.json")
    target = registry.of_config(config)
    refuse_unfit(section.precision, config.get("model_type"), target.task)
    if not len(rows):
        width = checkpoint.embedding_width(model_folder)
        return Predicted(labels, np.empty((0, len(labels))), np.empty((0, width), np.float32), 0, None, target)
    _refuse_other_rows(rows, model_folder)
    thresholds = decision.thresholds_in(config)
    if config.get("model_type") == FAMILY:
        from tasks.modelling.linear.scorer import Scorer  # and scipy

        texts = [row for row in rows if not isinstance(row, bytes)]  # all: it has no image processor
        logits, embeddings = Scorer.load(model_folder).answers(texts)
        return Predicted(labels, target.probabilities(logits), embeddings, 0, thresholds, target)
    import torch

    torch.set_num_threads(section.threads)
    processor, model = checkpoint.load_trained(model_folder)
    torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    inputs = INPUTS[checkpoint.modality_of(model_folder)](processor, rows)
    logits, embeddings = _run(model, inputs, section.batch_size, section.precision)
    if count := int((~np.isfinite(logits)).any(axis=1).sum() + (~np.isfinite(embeddings)).any(axis=1).sum()):
        stage = "baseline" if model_folder == paths.BASELINE else "finetune"
        raise UserError(
            f"{model_folder}/model.safetensors gives {count} scores or embeddings that are no numbers: run "
            f"`dvc repro {stage}` to train it anew"
        )
    return Predicted(labels, target.probabilities(logits), embeddings, inputs.truncated, thresholds, target)


def _refuse_other_rows(rows: Sequence[Text] | Sequence[bytes], model_folder: Path) -> None:
    pairs = isinstance(rows[0], tuple)
    if pairs != checkpoint.reads_pairs(model_folder):
        kinds = ("one text", "a pair of texts") if pairs else ("a pair of texts", "one text")
        raise UserError(f"{model_folder} reads {kinds[0]} a row, but the rows have {kinds[1]}: score them with another")


def _run(
    model: Any, inputs: Texts | Images, batch_size: int, precision: Precision
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Logits [rows, labels] and embeddings [rows, hidden], from short texts to long, put back in order."""
    import torch
    from tqdm import tqdm

    last, lengths = checkpoint.last_layer(model), inputs.lengths()
    logits = np.empty((len(lengths), last.out_features), np.float64)
    embeddings = np.empty((len(lengths), last.in_features), np.float32)
    batches = passes(lengths, batch_size, head.needs_equal_lengths(model), most_tokens(model))

    def batch_of(rows: Iterable[int]) -> Batch:
        return {name: values.to(model.device) for name, values in inputs.batch(rows).items()}

    tried = batch_of(few) if (few := trial(lengths)) else None
    with ExitStack() as stack:
        for block in (torch.inference_mode(), cls_only_last_layer(model, tried), forward_pass(model, precision)):
            stack.enter_context(block)
        seen = stack.enter_context(head.watching_last_layer(model))
        for rows in tqdm(batches, desc="score", unit=" batches", disable=len(lengths) < MIN_BAR_ROWS):
            batch = batch_of(rows)
            found = model(**batch).logits
            logits[rows] = found.double().cpu().numpy()
            seen.given = seen.given.float()
            embeddings[rows] = seen.embeddings(found, batch).float().cpu().numpy()
    return logits, embeddings
