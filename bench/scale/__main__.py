"""CPU seconds and memory of ingest, validate and split by the number of rows: ``python -m bench.scale [ROWS ...]``.

Each stage runs in a process of its own, as DVC runs it, on a csv that is made for it: *plain* rows of Zipfian words, or
*template-like* ones, of which each differs from thousands of others in two words. CPU seconds, since others may share
the machine, are those beyond imports; memory is the process's peak.

Each result is kept in a file outside git, so that a run that was ended goes on (``--anew`` forgets them). The section
of bench/RESULTS.md is written from whatever is there. Beside pandas: ``bench.data_gate``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random

import numpy as np

from bench.corpora import CACHE
from bench.results import write_section
from tasks.core.files import write_json

TOP = Path(__file__).parents[2]
HEADING = "Ingest, validate and split by the number of rows"
FILE = CACHE / "scale" / "measured.json"
SIZES = (300_000, 1_000_000, 3_000_000)
STAGES = {"ingest": ("--window", "reference"), "validate": ("--window", "reference"), "split": ()}
LABELS = ("billing", "delivery", "returns", "account", "praise")
WORDS, TEMPLATES, SLOTS, LENGTH = 30_000, 100, 2, (8, 45)
PARAMS = (
    "seed: 7\nmodel: {name: none, revision: null}\n"
    "windows: {reference: {until: '2100-01-01'}, current: {from: '2100-01-01'}}\n"
    "ingest: {source: rows.csv, columns: {text: text, label: label, timestamp: received_at, id: id}}\n"
    f"validate: {{labels: [{', '.join(LABELS)}]}}\nsplit: {{}}\n"
)
CODE = (
    "import time; from tasks.{stage}.__main__ import main; from tasks.core.cli import run; "
    "print(time.process_time(), file=open('imports', 'w')); run(main)"
)
ASKED = (
    "Asked: at most 2,000 MB at every size; of plain rows 18 s a million for ingest and validate together and 20 for "
    "split; template-like ones at most 3 times that."
)
Cost = dict[str, float]


def plain(count: int, seed: int = 7) -> Iterator[str]:
    """Texts of about 170 characters; of 100 one is a near copy of an earlier one."""
    dice, numbers, words = Random(seed), np.random.default_rng(seed), _words(seed)
    kept: list[str] = []
    while count > 0:
        lengths = numbers.integers(*LENGTH, 10_000)
        picked = iter((numbers.pareto(0.6, int(lengths.sum())) * 40).astype(np.int64) % WORDS)
        for length in lengths[:count].tolist():
            text = " ".join([words[next(picked)] for _ in range(length)])
            kept = kept or [text]
            yield f"{dice.choice(kept)} {text[:12]}" if dice.random() < 0.01 else text
            kept = [*kept[-999:], text] if dice.random() < 0.01 else kept
        count -= len(lengths)


def template_like(count: int, seed: int = 7) -> Iterator[str]:
    """Texts of about 170 characters, one of ``TEMPLATES`` each, of whose words two are the row's own."""
    dice, words = Random(seed), _words(seed)
    templates = [dice.choices(words, k=dice.randint(20, 34)) for _ in range(TEMPLATES)]
    for row in range(count):
        text = list(dice.choice(templates))
        for slot in range(SLOTS):
            text[dice.randrange(len(text))] = f"{row:x}{slot}"
        yield " ".join(text)


def _words(seed: int) -> list[str]:
    dice = Random(seed)
    return ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(WORDS)]


ROWS: dict[str, Callable[[int], Iterator[str]]] = {"plain": plain, "template-like": template_like}


def write_source(file: Path, kind: str, count: int) -> None:
    """A csv of these rows with ids, labels and times; of 1,000 rows three have no text."""
    dice = Random(1)
    with file.open("w", encoding="utf-8") as out:
        out.write("id,text,label,received_at\n")
        for row, text in enumerate(ROWS[kind](count)):
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + row * 30))
            out.write(f"r{row:08d},{'' if row % 333 == 5 else text},{dice.choice(LABELS)},{moment}\n")


def run(folder: Path, stage: str) -> Cost:
    """CPU seconds beyond imports and the peak megabytes of a stage's process."""
    command = [sys.executable, "-c", CODE.format(stage=stage), *STAGES[stage]]
    process = os.spawnve(os.P_NOWAIT, sys.executable, command, os.environ | {"PYTHONPATH": str(TOP)})
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{stage} failed")
    seconds = usage.ru_utime + usage.ru_stime - float((folder / "imports").read_text(encoding="utf-8"))
    return {"seconds": round(seconds, 2), "megabytes": round(usage.ru_maxrss / 1024)}


def measure(kind: str, count: int) -> dict[str, Cost]:
    """The three stages on a source that is made for them and gone afterwards."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chdir(folder)
        write_source(folder / "rows.csv", kind, count)
        (folder / "params.yaml").write_text(PARAMS, encoding="utf-8")
        found = {stage: run(folder, stage) for stage in STAGES}
        os.chdir(TOP)
    return found


def table(measured: dict[str, dict[str, Cost]]) -> str:
    """The section of bench/RESULTS.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "pandas", "great-expectations", "rensa"))
    lines = [
        f"`python -m bench.scale`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores shared "
        f"with others, no GPU; Python {platform.python_version()}, {versions}. A csv of rows of about 170 characters; "
        f"CPU seconds beyond imports, a process for each stage. {ASKED}",
        "",
        "| rows | | stage | CPU seconds | a million rows | peak memory, MB |",
        "|---:|---|---|---:|---:|---:|",
    ]
    for key, costs in measured.items():
        kind, count = key.split("/")
        for stage, cost in costs.items():
            seconds, each = cost["seconds"], cost["seconds"] / int(count) * 1e6
            lines.append(
                f"| {int(count):,} | {kind} | `{stage}` | {seconds:.1f} | {each:.1f} | {cost['megabytes']:,.0f} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("rows", nargs="*", type=int, metavar="ROWS", help="sizes; without any 300k, 1M and 3M")
    parser.add_argument("--kind", choices=ROWS, help="of rows; both if none is named")
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    parser.add_argument("--dry", action="store_true", help="write no results")
    given = parser.parse_args(arguments)
    measured = {} if given.anew or not FILE.exists() else json.loads(FILE.read_text(encoding="utf-8"))
    for count in given.rows or SIZES:
        for kind in [given.kind] if given.kind else ROWS:
            if f"{kind}/{count}" not in measured:
                measured[f"{kind}/{count}"] = measure(kind, count)
                print(kind, count, measured[f"{kind}/{count}"], flush=True)
                FILE.parent.mkdir(parents=True, exist_ok=True)
                write_json(measured, FILE)
    if not given.dry:
        write_section(HEADING, table(measured))


if __name__ == "__main__":
    main()
