"""Judge two tables of predictions on the same rows and write the verdict; exit code 0 whatever it says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from tasks.core import params
from tasks.core.cli import run
from tasks.core.files import read_json, write_json
from tasks.gate import Params, Rule
from tasks.gate.tables import pair, read
from tasks.gate.verdict import columns, judge


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tasks.gate", description=__doc__)
    kinds = "a csv, tsv, jsonl or parquet file"
    parser.add_argument("--champion", type=Path, required=True, help=f"its predictions, {kinds}")
    parser.add_argument("--challenger", type=Path, required=True, help=f"its predictions, {kinds}")
    parser.add_argument("--output", type=Path, required=True, help="the verdict, JSON")
    parser.add_argument("--truth", type=Path, help="id and label, where neither table holds the labels")
    parser.add_argument("--rule", choices=get_args(Rule), help="instead of gate.rule")
    parser.add_argument("--earlier", type=Path, nargs="*", default=[], help="verdicts that were given before")
    given = parser.parse_args()
    section = params.load(Params, "gate")
    if given.rule:
        section = section.model_copy(update={"rule": given.rule})
    truth = read(given.truth) if given.truth else None
    rows = pair(read(given.champion), read(given.challenger), truth, columns(section))
    verdict = judge(rows, section, params.general().seed, [read_json(file) for file in given.earlier])
    write_json(verdict, given.output)
    print(f"{'promote' if verdict['promote'] else 'do not promote'}: {verdict['reason']}")


if __name__ == "__main__":
    run(main)
