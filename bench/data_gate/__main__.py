"""What the data gate takes beside plain pandas and Great Expectations: ``python -m bench.data_gate [--rows N]``.

Makes a csv with planted faults and copies, then runs ingest, validate and split on it, each in a process of its own as
DVC does, and ``bench.data_gate.plain`` on the same file. Seconds are those beyond imports, memory a process's peak.
Some of the rows, and the committed mails, go through ``validate`` with ``privacy: redact`` as well. Writes its section
of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq

from bench.results import write_section

TOP = Path(__file__).parents[2]
HEADING = "One million rows through the data gate"
SOURCE = "rows.csv"
LABELS = ("billing", "delivery", "returns", "account", "praise")
WORDS, LEAST, MOST = 30_000, 8, 45
PERSONAL = ("write to ada.lovelace@example.com", "call +44 20 7946 0958", "card 4111 1111 1111 1111", "from 192.0.2.17")
RECOGNISERS = "from tasks.validate import Params, recognisers; recognisers.recognisers(tuple(Params().phone_regions))"
STAGES = {"ingest": "--window reference", "validate": "--window reference", "split": ""}


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    seconds: float
    """Beyond its imports."""
    imports: float
    megabytes: float
    """Peak resident memory."""


def write_source(path: Path, rows: int, seed: int = 7) -> None:
    """A csv of about 200 bytes a row: Zipfian words, five labels; of 1,000 rows 3 have no text, 3 an unknown label, 4
    are copies, 20 near copies, and 20 hold personal data."""
    random, numbers = Random(seed), np.random.default_rng(seed)
    words = np.array(["".join(random.choices("etaoinshrdlu", k=random.randint(2, 9))) for _ in range(WORDS)], object)
    made: list[str] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("id", "text", "label", "received_at"))
        for row in range(rows):
            label = random.choice(LABELS)
            fate = random.random()
            if fate < 0.003:
                text = ""
            elif fate < 0.006:
                text, label = _text(words, numbers), "Biling"
            elif fate < 0.010 and made:
                text = random.choice(made)
            elif fate < 0.030 and made:
                text = f"{random.choice(made)} {random.choice(words)}"
            elif fate < 0.050:
                text = f"{_text(words, numbers)}, {random.choice(PERSONAL)}"
            else:
                text = _text(words, numbers)
            if len(made) < 10_000 and text:
                made.append(text)
            day, second = divmod(row * 30, 86_400)
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + day * 86_400 + second))
            out.writerow((f"r{row:07d}", text, label, moment))


def _text(words: np.ndarray, numbers: np.random.Generator) -> str:
    count = int(numbers.integers(LEAST, MOST))
    return " ".join(words[(numbers.pareto(0.6, count) * 40).astype(np.int64) % WORDS])


def write_params(folder: Path, labels: Sequence[str], privacy: str = "off") -> None:
    """The parameters of the stages that are measured."""
    (folder / "params.yaml").write_text(
        "seed: 7\nmodel: {name: none, revision: null}\n"
        "windows: {reference: {until: '2100-01-01'}, current: {from: '2100-01-01'}}\n"
        f"ingest: {{source: {SOURCE}, columns: {{text: text, label: label, timestamp: received_at, id: id}}}}\n"
        f"validate: {{labels: [{', '.join(labels)}], privacy: '{privacy}'}}\nsplit: {{}}\n",
        encoding="utf-8",
    )


def run(folder: Path, module: str, arguments: str = "", first: str = "pass") -> Cost:
    """Run ``module``'s ``main`` in a process of its own; ``first`` is counted among its imports."""
    code = (
        "import sys, time; start = time.monotonic(); "
        f"from {module} import main; from tasks.core.cli import run; {first}; loaded = time.monotonic(); "
        "print(loaded - start, file=open('imports', 'w')); run(main)"
    )
    start = time.monotonic()
    command = [sys.executable, "-c", code, *arguments.split()]
    process = os.spawnve(os.P_NOWAIT, sys.executable, command, os.environ | {"PYTHONPATH": str(TOP)})
    _, status, usage = os.wait4(process, 0)
    took = time.monotonic() - start
    if status:
        raise SystemExit(f"{module} failed")
    imports = float((folder / "imports").read_text())
    return Cost(took - imports, imports, usage.ru_maxrss / 1024)


def measure(folder: Path) -> dict[str, Cost]:
    """Our three stages, then the plain way, on the source in ``folder``."""
    found = {}
    for name, arguments in STAGES.items():
        found[name] = run(folder, f"tasks.{name}.__main__", arguments)
        print(name, found[name], flush=True)
    return found | {"plain": run(folder, "bench.data_gate.plain")}


def measure_mask(folder: Path, rows: int, labels: Sequence[str]) -> tuple[int, Cost]:
    """What ``validate`` takes with ``privacy: redact`` over what it takes without, on the rows that ``ingest`` left."""
    raw = folder / "data/reference/raw.parquet"
    table = pq.read_table(raw).slice(0, rows)
    pq.write_table(table, raw)
    costs = {}
    for privacy, first in (("off", "pass"), ("redact", RECOGNISERS)):
        write_params(folder, labels, privacy)
        costs[privacy] = run(folder, "tasks.validate.__main__", STAGES["validate"], first)
    print(costs, flush=True)
    more = costs["redact"].seconds - costs["off"].seconds
    return len(table), Cost(more, costs["redact"].imports, costs["redact"].megabytes)


def mails(folder: Path) -> None:
    """The committed mails in place of the rows that were made: longer, and full of addresses."""
    sample = pq.read_table(TOP / "data/samples/spamassassin.parquet", columns=["id", "text", "label", "received_at"])
    with (folder / SOURCE).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(sample.column_names)
        out.writerows(zip(*(sample[name].to_pylist() for name in sample.column_names), strict=True))
    run(folder, "tasks.ingest.__main__", STAGES["ingest"])


def text(rows: int, size: int, load: float, costs: dict[str, Cost], masks: dict[str, tuple[int, Cost]]) -> str:
    """The section, in Markdown."""
    packages = ("pyarrow", "pandas", "great-expectations", "rensa", "phonenumbers")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    ours = [costs[name] for name in STAGES]
    lines = [(f"`{name}`", cost) for name, cost in costs.items() if name in STAGES]
    lines.append(("**all three**", Cost(*(f(getattr(c, k) for c in ours) for k, f in TOGETHER.items()))))
    lines.append(("plain pandas and Great Expectations", costs["plain"]))
    masked = [
        f"| {name} | {count:,} | {cost.seconds:.1f} | {count / cost.seconds:,.0f} |"
        for name, (count, cost) in masks.items()
    ]
    return "\n".join(
        [
            f"`python -m bench.data_gate`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
            f"no GPU, load average before: {load:.1f}; Python {platform.python_version()}, {versions}. A csv of "
            f"{rows:,} rows and {size / 1e6:.0f} MB: Zipfian words, five labels; of 1,000 rows 3 have no text, 3 an "
            "unknown label, 4 are copies, 20 near copies, 20 hold personal data. `privacy: off`. Each line is a "
            "process of its own; the three hand each other parquet files.",
            "",
            "| | seconds beyond imports | imports, s | peak memory, MB |",
            "|---|---:|---:|---:|",
            *(f"| {name} | {c.seconds:.1f} | {c.imports:.1f} | {c.megabytes:,.0f} |" for name, c in lines),
            "",
            "The plain way reads the csv, has the same row rules judged, drops copies, and splits at random by label: "
            "it finds no near-duplicate and no conflicting label, and moves old rows when new ones come. Asked for are "
            "at most 90 s and 3,000 MB.",
            "",
            "`privacy: redact`: what `validate` then takes over its time with `off` "
            f"({masks[next(iter(masks))][1].imports:.1f} s with Great Expectations):",
            "",
            "| | rows | seconds more | rows/s |",
            "|---|---:|---:|---:|",
            *masked,
        ]
    )


TOGETHER = {"seconds": sum, "imports": sum, "megabytes": max}


def main() -> None:
    """Make the file, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.data_gate", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--mask", type=int, default=200_000, help="rows of it that are masked as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chdir(folder)
        write_source(folder / SOURCE, given.rows)
        write_params(folder, LABELS)
        size, load = (folder / SOURCE).stat().st_size, os.getloadavg()[0]
        costs = measure(folder)
        masks = {"rows as above": measure_mask(folder, given.mask, LABELS)}
        mails(folder)
        masks["the sample's mails, 1,900 characters each"] = measure_mask(folder, given.mask, ("ham", "spam"))
    write_section(HEADING, text(given.rows, size, load, costs, masks))


if __name__ == "__main__":
    main()
