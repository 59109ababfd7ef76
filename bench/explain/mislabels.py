"""Planted mislabels that the list of suspects holds: ``python -m bench.explain.mislabels [--repeats N] [--rows N]``.

Turns the label of a share of the sample's mails at random, asks ``tasks.explain.suspects`` for as many suspects as were
turned, and counts those among them. Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.results import write_section
from tasks.explain import Params
from tasks.explain.suspects import suspects

SAMPLE = Path("data/samples/spamassassin.parquet")
HEADING = "Planted mislabels that the list of suspects finds"
SHARES = (0.03, 0.01)


@dataclass(frozen=True)
class Trial:
    """One planting."""

    share: float
    seed: int
    planted: int
    found: int
    seconds: float


def trial(texts: list[str], labels: list[str], share: float, seed: int) -> Trial:
    """Turn a share of the labels and look for them with as many suspects as were turned."""
    names = sorted(set(labels))
    random = np.random.default_rng(seed)
    turned = set(random.choice(len(labels), round(share * len(labels)), replace=False).tolist())
    given = [
        str(random.choice([name for name in names if name != label])) if i in turned else label
        for i, label in enumerate(labels)
    ]
    start = time.monotonic()
    listed = suspects(texts, given, len(turned), Params().folds, seed)
    return Trial(share, seed, len(turned), len(turned & {its.row for its in listed}), time.monotonic() - start)


def text(found: list[Trial], rows: int, load: float) -> str:
    """The section, in Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("cleanlab", "scikit-learn"))
    lines = []
    for share in SHARES:
        its = [one for one in found if one.share == share]
        shares = [one.found / one.planted for one in its]
        lines.append(
            f"| {share:.0%} | {its[0].planted} | {np.mean(shares):.1%} | {min(shares):.1%} to {max(shares):.1%} | "
            f"{np.mean([one.seconds for one in its]):.0f} |"
        )
    return "\n".join(
        [
            f"`python -m bench.explain.mislabels`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} "
            f"cores shared with others (load average before: {load:.1f}), no GPU; {versions}. {rows:,} mails "
            f"of the sample, labels turned at random, {len(found) // len(SHARES)} plantings each. As many suspects are "
            "listed as were planted. The sample's own mistakes among them count as not found.",
            "",
            "| planted | mails | found, mean | range | seconds |",
            "|---:|---:|---:|---|---:|",
            *lines,
        ]
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.explain.mislabels", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--repeats", type=int, default=3, help="plantings for each share")
    parser.add_argument("--rows", type=int, default=0, help="mails to take, spread evenly; 0: all")
    given = parser.parse_args()
    table = pq.read_table(SAMPLE, columns=["text", "label"])
    if given.rows:
        table = table.take(np.linspace(0, len(table) - 1, given.rows).astype(int))
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    load, found = os.getloadavg()[0], []
    for share in SHARES:
        for seed in range(given.repeats):
            found.append(trial(texts, labels, share, seed))
            one = found[-1]
            print(f"{share:.0%} planted: {one.found} of {one.planted} found in {one.seconds:.0f} s", flush=True)
    write_section(HEADING, text(found, len(texts), load))


if __name__ == "__main__":
    main()
