"""The arms of ``bench.finetune`` on a CUDA GPU, for speed alone: ``python -m bench.finetune.gpu``.

A BERT-base with random weights on random rows of 8 to 128 tokens, one epoch; (d) takes batches of 16,384 tokens.
Without a GPU it says so in its section of bench/RESULTS.md, and measures nothing. Not run yet on a GPU: there was none.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from transformers import BertConfig, BertModel

from bench.finetune import arms as arms
from bench.results import write_section
from tasks.finetune import Params
from tasks.finetune.batching import Rows
from tasks.finetune.fit import FitResult, fit
from tasks.modelling.checkpoints import checkpoint

HEADING = "Fine-tuning on a GPU"
BATCH_TOKENS = 16_384
GOALS = {"share": 0.45, "a": 25.0, "c": 1.5}


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


def measure(config: BertConfig, count: int, repeat: int) -> dict[str, list[float]]:
    """Texts/s of (a), (c) and (d), interleaved, and the share of the matmul rate that (d) says it reached."""
    found: dict[str, list[float]] = {name: [] for name in ("a", "c", "d", "share")}
    with tempfile.TemporaryDirectory() as folder:
        arms.SOURCE = checkpoint_of(config, Path(folder))
        few, many = (
            arms.Tokenized(["x", "y"], rows(n, 0), rows(max(8, n // 20), 1), rows(8, 2)) for n in (count // 8, count)
        )
        for seed in range(repeat):
            for name, arm, data in (("a", arms.textbook, few), ("c", arms.careful, many)):
                found[name].append(len(data.train) / arm(data, seed, 1)[0])
            seconds, done = driftline(many, seed)
            found["d"].append(len(many.train) / seconds)
            found["share"].append(done.cost["share_of_matmul_rate"])
    return found


def text(found: dict[str, list[float]], device: str) -> str:
    """The section, in Markdown."""
    middle = {name: statistics.median(values) for name, values in found.items()}
    ratios = {name: middle["d"] / middle[name] for name in "ac"}
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate"))
    return "\n".join([
        f"`python -m bench.finetune.gpu`, {time.strftime('%Y-%m-%d')}, {device}; {packages}. BERT-base with random "
        f"weights, rows of 8 to {arms.LONGEST} tokens, one epoch, {len(found['d'])} times; medians.",
        "",
        "| | measured | asked |",
        "|---|---:|---:|",
        *(f"| ({name}), texts/s | {middle[name]:,.0f} | |" for name in "acd"),
        f"| (d) over (a) | {ratios['a']:.1f} | {GOALS['a']:.0f} |",
        f"| (d) over (c) | {ratios['c']:.2f} | {GOALS['c']:.1f} |",
        f"| (d), share of the matmul rate on real tokens, checks counted | {middle['share']:.2f} | {GOALS['share']} |",
    ])  # fmt: skip


def main() -> None:
    """Measure where there is a GPU, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.finetune.gpu", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=80_000, help="that (c) and (d) train on; (a) takes an eighth")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    section = f"`python -m bench.finetune.gpu`, {time.strftime('%Y-%m-%d')}: not measured, there was no CUDA GPU."
    if torch.cuda.is_available():
        found = measure(BertConfig(), options.rows, options.repeat)
        section = text(found, torch.cuda.get_device_name())
    print(section)
    write_section(HEADING, section)


if __name__ == "__main__":
    main()
