"""Whether pre-training on the domain's own text helps: ``python -m bench.families.domain_pretraining [--minutes 20]``.

MiniLM-L6 is fine-tuned on 100, 300 and 1,000 labelled mails, as it comes and from what the preset ``pretrain`` of
``bench.families`` made of it: masked language modelling on the train texts without their labels. Each of three seeds
draws the labelled mails and orders the batches; the two arms of a pair differ in nothing but the weights they begin at.
The pre-training itself is one, of one seed. The mails and their split are those of ``bench.families``.

Each result is kept, so that a run that was ended goes on: run it again until nothing is missing. Writes its section of
bench/RESULTS.md from whatever is there.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from transformers import set_seed

from bench.families import runs as family_runs
from bench.families.__main__ import runs
from bench.families.runs import FOLDER, splits
from bench.finetune.arms import SOURCE, macro_f1, predicted
from bench.results import write_section
from tasks.core.files import read_json, write_json
from tasks.finetune import Params
from tasks.finetune.batching import Rows
from tasks.finetune.fit import fit
from tasks.modelling.checkpoints import checkpoint
from tasks.statistics.measures import cells, interval

HEADING = "Pre-training on the domain's own text"
LABELS, SEEDS = (100, 300, 1000), (0, 1, 2)
ARMS = ("as it comes", "pre-trained")
EPOCHS = {100: 6, 300: 3, 1000: 1}  # of fine-tuning: 42 to 63 steps each
MEASURED = tuple((seed, arm, count) for count, seed, arm in product(LABELS, SEEDS, ARMS))  # few labels first


@dataclass(frozen=True)
class Size:
    """What was run; another size is measured anew."""

    read: int = 40
    """Tokens of a text that the classifier reads."""
    validation: int = 60
    test: int = 300
    frozen: int = 4
    """Layers that fine-tuning leaves as they are."""
    learning_rate: float = 2e-4


@dataclass(frozen=True)
class Mails:
    """The texts and their label numbers."""

    train: list[str]
    labels: np.ndarray
    validation: tuple[list[str], np.ndarray]
    test: tuple[list[str], np.ndarray]
    names: list[str]


def mails(size: Size) -> Mails:
    """The split of ``bench.families``, of its held-out parts so many rows at random."""
    tables = splits()
    names = sorted(set(tables["train"]["label"].to_pylist()))

    def part(name: str, most: int | None = None) -> tuple[list[str], np.ndarray]:
        table = tables[name]
        table = table.take(np.random.default_rng(0).permutation(len(table))[:most])
        return table["text"].to_pylist(), np.array([names.index(label) for label in table["label"].to_pylist()])

    return Mails(*part("train"), part("validation", size.validation), part("test", size.test), names)


def rows(part: Sequence[str], labels: np.ndarray, tokens: int) -> Rows:
    """Token ids, cut."""
    found = checkpoint.tokenizer(SOURCE)(list(part), truncation=True, max_length=tokens)["input_ids"]
    starts = np.r_[0, np.cumsum([len(ids) for ids in found])].astype(np.int64)
    return Rows("input_ids", np.concatenate(found).astype(np.int32), starts, labels)


def finetuned(data: Mails, size: Size, seed: int, count: int, source: checkpoint.Checkpoint) -> list[int]:
    """What a classifier says of the test rows that begins at ``source`` and learns from ``count`` labels."""
    section = Params(
        epochs=EPOCHS[count], learning_rate=size.learning_rate, batch_size=16, frozen_layers=size.frozen,
        threads=torch.get_num_threads(),
    )  # fmt: skip
    drawn = np.random.default_rng(seed).permutation(len(data.train))[:count]
    set_seed(seed)
    model = checkpoint.classifier(source, data.names)
    given = rows([data.train[i] for i in drawn], data.labels[drawn], size.read)
    fit(model, given, rows(*data.validation, size.read), section, seed)
    return predicted(model, rows(*data.test, size.read))


def measure(found: dict[str, Any], file: Path, size: Size, pretrained: Path, until: float) -> None:
    """What is missing, until the time is over."""
    data = mails(size)
    found["truth"] = data.test[1].tolist()
    starts = dict(zip(ARMS, (SOURCE, checkpoint.Checkpoint(str(pretrained))), strict=True))
    for seed, arm, count in MEASURED:
        key = key_of(seed, arm, count)
        if key in found or time.monotonic() > until:
            continue
        began = time.process_time()
        found[key] = finetuned(data, size, seed, count, starts[arm])
        found["seconds"] = found.get("seconds", 0.0) + time.process_time() - began
        write_json(found, file)
        print(f"{key}: {macro_f1(found['truth'], found[key]):.4f}", flush=True)


def key_of(seed: int, arm: str, count: int) -> str:
    """As a result is filed under."""
    return f"{seed}/{arm}/{count}"


def compared(found: dict[str, Any], count: int) -> tuple[list[list[float]], list[float], list[float]]:
    """Macro-F1 [arms, seeds]; 95 % intervals of the mean gain, over seeds (Student's t) and test rows (bootstrap)."""
    said = [[str(label) for label in found[key_of(seed, arm, count)]] for arm in ARMS for seed in SEEDS]
    joint = cells(["0", "1"], [str(label) for label in found["truth"]], *said)
    scores = np.array([joint.macro_f1(model, joint.counts[None])[0] for model in range(len(said))]).reshape(2, -1)
    gains = scores[1] - scores[0]
    reach = float(stats.t.ppf(0.975, len(SEEDS) - 1) * stats.sem(gains))
    counts = joint.resampled(seed=0)
    drawn = np.array([joint.macro_f1(model, counts) for model in range(len(said))]).reshape(2, len(SEEDS), -1)
    by_rows = interval((drawn[1] - drawn[0]).mean(axis=0))
    return scores.tolist(), [float(gains.mean()) - reach, float(gains.mean()) + reach], by_rows


def verdict(by_seeds: Sequence[float], by_rows: Sequence[float]) -> str:
    """In words; both intervals have to lie on one side of 0."""
    if min(by_seeds[0], by_rows[0]) > 0:
        return "helps"
    return "hurts" if max(by_seeds[1], by_rows[1]) < 0 else "cannot be told"


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The table."""
    yield "| labels | as it comes, by seed | pre-trained, by seed | mean gain | 95 %, over seeds | 95 %, over rows | |"
    yield "|---:|---|---|---:|---|---|---|"
    for count in LABELS:
        if any(key_of(seed, arm, count) not in found for seed in SEEDS for arm in ARMS):
            continue
        scores, by_seeds, by_rows = compared(found, count)
        arms = (" ".join(f"{score:.3f}" for score in arm) for arm in scores)
        gain = float(np.subtract(scores[1], scores[0]).mean())
        reach = (f"[{low:+.3f}, {high:+.3f}]" for low, high in (by_seeds, by_rows))
        yield f"| {count:,} | {' | '.join((*arms, f'{gain:+.3f}', *reach, verdict(by_seeds, by_rows)))} |"


def text(found: dict[str, Any], size: Size, made: dict[str, Any], threads: int) -> str:
    """The section; ``made`` are the figures of the pre-training."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    missing = [key for measured in MEASURED if (key := key_of(*measured)) not in found]
    before, after = (f"{made[f'perplexity_{when}']:,.0f}" for when in ("before", "after"))
    return "\n".join(
        [
            f"`python -m bench.families.domain_pretraining --threads {threads}`, {time.strftime('%Y-%m-%d')}, "
            f"{platform.machine()}, {os.cpu_count()} cores shared with others, no GPU; {versions}. "
            f"{found.get('seconds', 0) / 60:.0f} core-minutes beside the pre-training. Macro-F1 on the same "
            f"{size.test} test mails.",
            "",
            f"Pre-training: the preset `pretrain` as `bench.families` ran it: {made['tokens']:,} tokens of the train "
            f"texts, labels unseen, {made['epochs']} epoch, {made['steps']} steps. MiniLM-L6 comes without a head for "
            f"masked language modelling, which is drawn at random. Perplexity on held-out train texts: {before} "
            f"before, {after} after.",
            "",
            f"Fine-tuning, the same for both: {size.frozen} layers frozen, the last layer begun at a logistic "
            f"regression, AdamW {size.learning_rate:g}, batches of 16, the first {size.read} tokens of a text; epochs: "
            + ", ".join(f"{EPOCHS[count]} on {count:,} labels" for count in LABELS)
            + f". The labels of a seed are nested; validation has {size.validation} rows.",
            "",
            *lines(found),
            "",
            "*Helps* or *hurts* is said only where both intervals lie on one side of 0. Three seeds make a wide "
            "interval (Student's t with 2 degrees of freedom); they vary labels and batches, not the pre-training, of "
            "which there is one. What is told holds for this much pre-training, which is little.",
            *(["", f"Not run yet: {', '.join(missing)}."] if missing else []),
        ]
    )


def main() -> None:
    """Measure what is missing and write the section."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.families.domain_pretraining", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=20, help="begin nothing new after so many (default: 20)")
    parser.add_argument("--threads", type=int, default=2)
    given, size = parser.parse_args(), Size()
    until, run = time.monotonic() + 60 * given.minutes, runs(given.threads)["pretrain"]
    try:
        family_runs.measure(run, until)
    except family_runs.TimeIsUpError:
        raise SystemExit("the time is up in the pre-training; call again to go on") from None
    torch.set_num_threads(given.threads)
    file = FOLDER / "domain.json"
    found = read_json(file) if file.exists() else {}
    if found.get("size") != asdict(size):
        found = {"size": asdict(size)}
    measure(found, file, size, run.pretrained, until)
    write_section(HEADING, text(found, size, run.figures["pretrain"], given.threads))


if __name__ == "__main__":
    main()
