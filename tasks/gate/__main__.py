"""Compare two tables of predictions on the same rows and write the verdict; exit code 0 whichever it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from tasks.core import params
from tasks.core.cli import run
from tasks.core.files import read_json, write_json
from tasks.gate import Params, Rule
from tasks.gate.tables import pair, read_predictions
from tasks.gate.verdict import extra_columns, gate_verdict


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tasks.gate", description=__doc__)
    kinds = "a csv, tsv, jsonl or parquet file"
    parser.add_argument("--champion", type=Path, required=True, help=f"its predictions, {kinds}")
    parser.add_argument("--challenger", type=Path, required=True, help=f"its predictions, {kinds}")
    parser.add_argument("--output", type=Path, required=True, help="the verdict, JSON")
    parser.add_argument("--truth", type=Path, help="id and label, where neither table holds the labels")
    parser.add_argument("--rule", choices=get_args(Rule), help="instead of gate.rule")
    parser.add_argument(
        "--earlier", type=Path, nargs="*", default=[], help="earlier verdicts, to count the reuse of the test rows"
    )
    given = parser.parse_args()
    section = params.load(Params, "gate")
    if given.rule:
        section = section.model_copy(update={"rule": given.rule})
    truth = read_predictions(given.truth) if given.truth else None
    rows = pair(read_predictions(given.champion), read_predictions(given.challenger), truth, extra_columns(section))
    verdict = gate_verdict(rows, section, params.general().seed, [read_json(file) for file in given.earlier])
    write_json(verdict, given.output)
    print(f"{'promote' if verdict['promote'] else 'do not promote'}: {verdict['reason']}")


if __name__ == "__main__":
    run(main)
