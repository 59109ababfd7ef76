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
from tasks.drift.quarantine import quarantine_population
from tasks.drift.rows import Rows
from tasks.drift.tables import current_rows, read_rows, reference_rows, training_texts
from tasks.drift.verdict import Verdict, drift_verdict


def main() -> None:
    """The stage, or the comparison of the tables named on the command line."""
    options = _options()
    params, seed = load(Params, "drift"), general().seed
    if options.reference is None:
        _stage(params, seed)
    else:
        _by_hand(options, params, seed)


def _stage(params: Params, seed: int) -> None:
    reference, current = reference_rows(params.group), current_rows(params.group)
    before, after = (read_json(paths.metrics("validate", window)) for window in paths.WINDOWS)
    verdict = drift_verdict(
        reference, current, params, seed, quarantine_population(before, after, params), training_texts()
    )
    outputs = paths.metrics("drift"), DRIFT_REPORT, DRIFT_SNAPSHOT
    _finish(verdict, reference, current, params, seed, *outputs)


def _by_hand(options: argparse.Namespace, params: Params, seed: int) -> None:
    reference = read_rows(options.reference, options.reference_embeddings, params.group)
    current = read_rows(options.current, options.current_embeddings, params.group)
    verdict = drift_verdict(reference, current, params, seed)
    _finish(verdict, reference, current, params, seed, options.output, options.report, None)


def _finish(
    verdict: Verdict,
    reference: Rows,
    current: Rows,
    params: Params,
    seed: int,
    output: Path,
    report: Path | None,
    snapshot: Path | None,
) -> None:
    if report is not None:
        from tasks.drift.page import write_page

        write_page(verdict, reference, current, params, seed, report, snapshot)
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
