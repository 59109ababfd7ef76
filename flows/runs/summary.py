"""What a person is told at the end: what the stages did, how good the model is, whether there is drift."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from flows.pipeline.result import Result
from flows.runs.metrics import DriftVerdict, Evaluation, Interval
from tasks.core import paths
from tasks.report import INDEX


def table(results: Sequence[Result]) -> str:
    """Stage, outcome, seconds and reason as plain text."""
    width = max((len(result.stage) for result in results), default=0)
    return "\n".join(
        f"{result.stage:<{width}}  {result.outcome:<9}  {result.seconds:7.1f} s  {result.reason}" for result in results
    )


def rows(results: Sequence[Result]) -> list[dict[str, str | float]]:
    """The same as rows of Prefect's table."""
    return [
        {"stage": one.stage, "outcome": one.outcome, "seconds": round(one.seconds, 1), "reason": one.reason}
        for one in results
    ]


def model_lines(found: Evaluation) -> Iterator[str]:
    """How good the model is, in words."""
    if found.macro_f1 is None:
        return
    yield f"model     macro-F1 {found.macro_f1:.3f}{_interval(found.intervals.macro_f1)} on {found.rows} test rows"
    if found.baseline and found.difference is not None:
        difference = f"{found.difference:+.3f}{_interval(found.intervals.difference, '+')}"
        yield f"baseline  macro-F1 {found.baseline.macro_f1:.3f}; the model's is {difference}"


def _interval(ends: Interval | None, sign: str = "") -> str:
    return f" [{ends[0]:{sign}.3f}, {ends[1]:{sign}.3f}]" if ends else ""


def drift_line(found: DriftVerdict) -> str:
    """Whether there is drift, in words."""
    return f"drift     {found}: {found.reason}"


def open_line(folder: Path) -> Iterator[str]:
    """For a terminal: where the report of a folder is, if there is one."""
    if (folder / INDEX).exists():
        yield f"open      {(folder / INDEX).resolve().as_uri()}"


def closing_lines(folder: Path, stages: Collection[str] | None = None) -> Iterator[str]:
    """The last lines of a run, of what there is; with ``stages``, of what these have made."""

    def told(stage: str, file: Path) -> bool:
        return (stages is None or stage in stages) and (folder / file).exists()

    if told("evaluate", paths.metrics("evaluate")):
        yield from model_lines(Evaluation.in_folder(folder))
    if told("drift", paths.metrics("drift")):
        yield drift_line(DriftVerdict.in_folder(folder))
