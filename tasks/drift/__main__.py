"""The stage ``drift``; with ``--reference`` and ``--current``, the same verdict on any two tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from tasks.core import paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.core.params import general, load
from tasks.drift import DRIFT_REPORT, DRIFT_SNAPSHOT, Params
from tasks.drift.quarantine import population
from tasks.drift.rows import Rows
from tasks.drift.tables import current, held_out, read_rows, trained_on
from tasks.drift.verdict import Verdict, judge


def main() -> None:
    """The stage, or the comparison of the tables named on the command line."""
    options = _options()
    params, seed = load(Params, "drift"), general().seed
    if options.reference is None:
        _stage(params, seed)
    else:
        _by_hand(options, params, seed)


def _stage(params: Params, seed: int) -> None:
    reference, now = held_out(params.group), current(params.group)
    before, after = (read_json(paths.metrics("validate", window)) for window in paths.WINDOWS)
    verdict = judge(reference, now, params, seed, population(before, after, params), trained_on())
    places = paths.metrics("drift"), DRIFT_REPORT, DRIFT_SNAPSHOT
    _finish(verdict, reference, now, params, seed, *places)


def _by_hand(options: argparse.Namespace, params: Params, seed: int) -> None:
    reference = read_rows(options.reference, options.reference_embeddings, params.group)
    now = read_rows(options.current, options.current_embeddings, params.group)
    verdict = judge(reference, now, params, seed)
    _finish(verdict, reference, now, params, seed, options.output, options.report, None)


def _finish(
    verdict: Verdict,
    reference: Rows,
    now: Rows,
    params: Params,
    seed: int,
    output: Path,
    report: Path | None,
    snapshot: Path | None,
) -> None:
    if report is not None:
        from tasks.drift.page import write

        write(verdict, reference, now, params, seed, report, snapshot)
    write_json(verdict, output)
    print(f"drifted: {verdict['drifted']}: {verdict['reason']}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tasks.drift", description=__doc__)
    parser.add_argument("--reference", type=Path, help="csv, tsv, jsonl or parquet with text, prediction, …")
    parser.add_argument("--current", type=Path, help="the table to compare with it")
    parser.add_argument("--reference-embeddings", type=Path, metavar="NPY", help="its rows' embeddings")
    parser.add_argument("--current-embeddings", type=Path, metavar="NPY")
    parser.add_argument("--output", type=Path, help="where the verdict goes, as JSON")
    parser.add_argument("--report", type=Path, help="where the page goes, if it is wanted")
    options = parser.parse_args()
    named = [options.reference, options.current, options.output]
    if any(named) and not all(named):
        raise UserError("--reference, --current and --output go together; without them, this is the pipeline's stage")
    return options


if __name__ == "__main__":
    run(main)
