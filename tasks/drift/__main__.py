"""The stage ``drift``; with ``--reference`` and ``--current``, the same verdict on any two tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.core import paths
from tasks.core.cli import run
from tasks.core.files import private_folder, read_json, write_metrics
from tasks.core.params import general, load
from tasks.core.tables import unpacked, write_table
from tasks.dataset import layout, windows
from tasks.drift import DRIFT_REPORT, DRIFT_SEGMENTS, DRIFT_SNAPSHOT, Params
from tasks.drift.beside_baseline import beside_baseline
from tasks.drift.command import drift
from tasks.drift.quarantine import quarantine_population
from tasks.drift.rows import Rows
from tasks.drift.segments import Segments, segments
from tasks.drift.tables import current_baseline, current_rows, read_rows, reference_rows, training_texts
from tasks.drift.verdict import Verdict, drift_verdict


def main() -> None:
    """Run the stage on the repository's paths."""
    params, seed = load(Params, "drift"), general().seed
    reference, current = reference_rows(params), current_rows(params)
    before, after = (read_json(paths.metrics("validate", window)) for window in paths.WINDOWS)
    quarantine = quarantine_population(before, after, params)
    found = segments(reference, current, seed)
    verdict = drift_verdict(reference, current, params, seed, quarantine, training_texts(), _length(), found)
    verdict["performance"] |= {"beside_baseline": beside_baseline(current, current_baseline(), seed)}
    private_folder(paths.REPORTS)
    _write_segments(found, reference.count)
    outputs = paths.metrics("drift"), DRIFT_REPORT, DRIFT_SNAPSHOT
    _finish(verdict, reference, current, params, seed, *outputs, found)


def _write_segments(found: Sequence[Segments], reference: int) -> None:
    """The segments of each current row by its id; no row where there are no segments."""
    ids = unpacked(layout.window("current").validated, ["id"])
    parts = [ids.append_column("segment", pa.array(one.first + one.of_current(reference), pa.int64())) for one in found]
    none = ids.slice(0, 0).append_column("segment", pa.array([], pa.int64()))
    write_table(pa.concat_tables(parts or [none]), DRIFT_SEGMENTS)


def _length() -> np.timedelta64 | None:
    """Of the current window; None where it is open."""
    window = windows.load().current
    return np.timedelta64(window.until - window.from_) if window.from_ and window.until else None


def compare(
    reference: tuple[Path, Path | None], current: tuple[Path, Path | None], output: Path, report: Path | None
) -> None:
    """Compare two files of rows, each with its embeddings if there are any, and write verdict and page."""
    params, seed = load(Params, "drift"), general().seed
    before, after = read_rows(*reference, params), read_rows(*current, params)
    found = segments(before, after, seed)
    verdict = drift_verdict(before, after, params, seed, found_segments=found)
    _finish(verdict, before, after, params, seed, output, report, None, found)


def _finish(
    verdict: Verdict,
    reference: Rows,
    current: Rows,
    params: Params,
    seed: int,
    output: Path,
    report: Path | None,
    snapshot: Path | None,
    found: Sequence[Segments],
) -> None:
    if report is not None:
        from tasks.drift.page import write_page

        write_page(verdict, reference, current, params, seed, report, snapshot, found)
    write_metrics(verdict, output)
    print(f"drifted: {verdict['drifted']}: {verdict['reason']}", flush=True)


if __name__ == "__main__":
    run(drift if sys.argv[1:] else main)
