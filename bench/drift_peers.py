"""The rows that ``bench.drift`` draws, through what others do by default: ``python -m bench.drift_peers [--draws N]``.

Evidently's ``DataDriftPreset`` as it comes, on text, prediction and confidence; it tests each column by itself, and
calls the data set drifted when half the columns are. Its alarms are counted both ways.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import pandas as pd

from bench.drift import CURRENT, Cell, head, interval
from bench.results import write_section
from tasks.drift.rows import Rows

CELLS = {
    "nothing changed, glosses": [Cell("alarms", "glosses", 1_000, current, 0) for current in (100, 300, 1_000)],
    "5 % tweets among mails": [Cell("power", "mails", reference, CURRENT, 0, 0.05) for reference in (1_000, 5_000)],
    "5 % Amazon among films": [Cell("power", "movies", reference, CURRENT, 0, 0.05) for reference in (1_000, 5_000)],
}


def frame(rows: Rows) -> pd.DataFrame:
    """What Evidently is given of one side."""
    columns = {"text": rows.text.to_pylist(), "prediction": rows.categories["prediction"].astype(str)}
    return pd.DataFrame({**columns, "confidence": rows.numbers["confidence"]})


def evidently(before: Rows, now: Rows) -> tuple[bool, bool]:
    """Whether any column drifted, and whether Evidently calls the data set drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    kinds = {"text_columns": ["text"], "categorical_columns": ["prediction"], "numerical_columns": ["confidence"]}
    sides = [Dataset.from_pandas(frame(rows), data_definition=DataDefinition(**kinds)) for rows in (now, before)]
    metrics = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    count = next(metric["value"]["count"] for metric in metrics if "count" in str(metric["value"]))
    return count > 0, count >= len(kinds) / 2


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift_peers", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=40)
    given, load, lines = parser.parse_args(), os.getloadavg()[0], []
    for what, cells in CELLS.items():
        for cell in cells:
            start, counts = time.process_time(), [0, 0, 0]
            for number in range(given.draws):
                sides = cell.sides(number)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = (*evidently(*sides), cell.draw(number))
                counts = [count + alarm for count, alarm in zip(counts, found, strict=True)]
            rates = " | ".join(f"{count / given.draws:.0%} ({interval(count, given.draws)})" for count in counts)
            seconds = (time.process_time() - start) / given.draws
            lines.append(f"| {what} | {cell.reference:,} | {cell.current:,} | {rates} | {seconds:.1f} |")
            print(lines[-1], flush=True)
    text = (
        f"{head('python -m bench.drift_peers')} Load average before: {load:.1f}; {given.draws} draws a line, the "
        "first of those of bench.drift. Evidently 0.7's default preset on text, prediction and confidence; in brackets "
        "the 95 % interval, in per cent; seconds of processor time for all three."
    )
    columns = (
        "| rows | reference | current | Evidently: any column | Evidently: half the columns | the gate | s a draw |"
    )
    write_section(
        "Evidently's default preset on the same rows", "\n".join([text, "", columns, "|---|" + "---:|" * 6, *lines])
    )


if __name__ == "__main__":
    main()
