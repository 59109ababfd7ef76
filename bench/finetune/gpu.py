"""Training and scoring on a CUDA GPU, for speed alone: ``python -m bench.finetune.gpu``.

Models of BERT-base's and MiniLM's shape with random weights, on random rows of 8 to 128 tokens: the arms of
``bench.finetune`` on the former, one epoch, (d) in batches of 16,384 tokens; (d) on the latter; and ``tasks.score`` of
both in bf16. Shares are of the rate at which the same GPU multiplies the model's matrices in bf16, of real tokens.
Without a GPU the table has the targets beside empty cells. Not run yet on a GPU: there was none.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transformers import BertConfig, BertModel

from bench.finetune import arms as arms
from bench.results import write_section
from tasks.finetune import Params, speed
from tasks.finetune.batching import Rows
from tasks.finetune.fit import FitResult, fit
from tasks.modelling.checkpoints import checkpoint
from tasks.score import Params as Score
from tasks.score.predict import predict

HEADING = "Fine-tuning on a GPU"
BATCH_TOKENS = 16_384
BASE, MINILM = "a BERT-base", "a MiniLM"
SHAPES = {
    BASE: BertConfig(),
    MINILM: BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
}
ASKED: dict[str, float | None] = {
    "(a), texts/s": None,
    "(c), texts/s": None,
    "(d), texts/s": None,
    "(d) over (a)": 25.0,
    "(d) over (c)": 1.5,
    f"training {BASE}, share of the peak": 0.45,
    f"training {MINILM}, share of the peak": 0.25,
    f"scoring {BASE}, share of the peak": 0.6,
    f"scoring {MINILM}, share of the peak": 0.6,
}
"""What is measured, and the least that is asked of it."""
Found = dict[str, list[float]]


def rows(count: int, seed: int) -> Rows:
    """Random token ids under random labels."""
    random = np.random.default_rng(seed)
    starts = np.r_[0, np.cumsum(random.integers(8, arms.LONGEST + 1, count))].astype(np.int64)
    ids = random.integers(1000, 30_000, starts[-1]).astype(np.int32)
    return Rows("input_ids", ids, starts, random.integers(0, 2, count))


def checkpoint_of(config: BertConfig, folder: Path) -> checkpoint.Checkpoint:
    """A model of that shape with random weights, under MiniLM's tokenizer."""
    BertModel(config).save_pretrained(folder)
    checkpoint.tokenizer(arms.SOURCE).save_pretrained(folder)
    return checkpoint.Checkpoint(str(folder))


def driftline(data: arms.Tokenized, seed: int) -> tuple[float, FitResult]:
    """Seconds of (d), and its own record."""
    section = Params(
        epochs=1, learning_rate=1e-4, batch_tokens=BATCH_TOKENS, dropout=0.0, probe=False, evals_per_epoch=10,
        eval_rows=max(1, len(data.train) // arms.CHECKED), threads=torch.get_num_threads(),
    )  # fmt: skip
    model = arms.fresh(data, seed, dropout=0.0)
    started = perf_counter()
    done = fit(model, data.train, data.validation, section, seed)
    return perf_counter() - started, done


def scoring(data: arms.Tokenized) -> float:
    """The share of the peak that ``tasks.score`` reaches in full batches; reading the weights does not count."""
    tokenizer: Any = checkpoint.tokenizer(arms.SOURCE)
    texts = tokenizer.batch_decode([data.train[i]["input_ids"].tolist() for i in range(len(data.train))])
    tokenizer.model_max_length = 2 * arms.LONGEST
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        arms.fresh(data, 0).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        tokens = sum(map(len, checkpoint.token_ids(tokenizer, texts)[0]))
        loaded = checkpoint.load_trained(folder)
        model = loaded[1].to(arms.DEVICE)
        products = speed.matrices(model)
        peak = speed.matmul_rate(products, BATCH_TOKENS, model.device, torch.bfloat16)
        section = Score(batch_size=BATCH_TOKENS // arms.LONGEST, precision="bf16", threads=torch.get_num_threads())
        with patch.object(checkpoint, "load_trained", lambda _: loaded):
            predict(texts[:8], folder, section)  # the first allocations are not its speed
            started = perf_counter()
            predict(texts, folder, section)
            seconds = perf_counter() - started
    return products.flops(tokens, len(texts)) / 3 / seconds / peak  # a step of training is three passes


def measure(shapes: Mapping[str, BertConfig], count: int, repeat: int) -> Found:
    """All of ASKED, interleaved."""
    found: Found = {name: [] for name in ASKED}
    for shape, config in shapes.items():
        with tempfile.TemporaryDirectory() as folder, patch.object(arms, "SOURCE", checkpoint_of(config, Path(folder))):
            few, many = (
                arms.Tokenized(["x", "y"], rows(n, 0), rows(max(8, n // 20), 1), rows(8, 2))
                for n in (count // 8, count)
            )
            for seed in range(repeat):
                if shape == BASE:
                    for name, arm, data in (("a", arms.textbook, few), ("c", arms.careful, many)):
                        found[f"({name}), texts/s"].append(len(data.train) / arm(data, seed, 1)[0])
                seconds, done = driftline(many, seed)
                found[f"training {shape}, share of the peak"].append(done.cost["share_of_matmul_rate"])
                found[f"scoring {shape}, share of the peak"].append(scoring(many))
                if shape == BASE:
                    found["(d), texts/s"].append(len(many.train) / seconds)
                    for name in "ac":
                        other = found[f"({name}), texts/s"][-1]
                        found[f"(d) over ({name})"].append(len(many.train) / seconds / other)
    return found


def text(found: Found, device: str) -> str:
    """The section, in Markdown."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate"))
    lines = [
        f"`python -m bench.finetune.gpu`, {time.strftime('%Y-%m-%d')}, {device}; {packages}. Models with random "
        f"weights, rows of 8 to {arms.LONGEST} tokens, one epoch; (a), (c) and (d) as in *Fine-tuning beside a "
        "textbook loop and Trainer*, on a BERT-base. Medians; shares are of real tokens and of the rate of the model's "
        "own products in bf16.",
        "",
        "| | measured | asked |",
        "|---|---:|---:|",
    ]
    for name, asked in ASKED.items():
        values = found.get(name, [])
        digits = 0 if name.endswith("texts/s") else 2
        lines.append(
            f"| {name} | {f'{statistics.median(values):,.{digits}f}' if values else ''} | "
            f"{'' if asked is None else f'≥ {asked:g}'} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure where there is a GPU, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.finetune.gpu", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=80_000, help="that (c) and (d) train on; (a) takes an eighth")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    found, device = {}, "not measured yet: there was no CUDA GPU"
    if torch.cuda.is_available():
        found, device = measure(SHAPES, options.rows, options.repeat), torch.cuda.get_device_name()
    section = text(found, device)
    print(section)
    write_section(HEADING, section)


if __name__ == "__main__":
    main()
