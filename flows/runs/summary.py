"""What a person is told at the end: what the stages did, how good the model is, whether there is drift."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.pipeline.stage import Result
from tasks.core import paths
from tasks.core.files import read_json
from tasks.report import INDEX


def table(results: Sequence[Result]) -> str:
    """Stage, outcome, seconds and reason as plain text."""
    width = max((len(result.stage) for result in results), default=0)
    return "\n".join(
        f"{result.stage:<{width}}  {result.outcome:<9}  {result.seconds:7.1f} s  {result.reason}" for result in results
    )


def markdown(results: Sequence[Result]) -> str:
    """The same as a Markdown table."""
    rows = (f"| {r.stage} | {r.outcome} | {r.seconds:.1f} | {_cell(r.reason)} |" for r in results)
    return "\n".join(["| stage | outcome | seconds | why |", "|---|---|---:|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def model_lines(evaluate: dict[str, Any]) -> Iterator[str]:
    """How good the model is, in words."""
    low, high = evaluate["intervals"]["macro_f1"]
    least, most = evaluate["intervals"]["difference"]
    yield f"model     macro-F1 {evaluate['macro_f1']:.3f} [{low:.3f}, {high:.3f}] on {evaluate['rows']} test rows"
    yield (
        f"baseline  macro-F1 {evaluate['baseline']['macro_f1']:.3f}; "
        f"the model's is {evaluate['difference']:+.3f} [{least:+.3f}, {most:+.3f}]"
    )


def drift_line(drift: dict[str, Any]) -> str:
    """Whether there is drift, in words."""
    verdict = {True: "drift", False: "no drift", None: "no verdict"}[drift["drifted"]]
    return f"drift     {verdict}: {drift['reason']}"


def closing_lines(folder: Path, stages: Collection[str] | None = None) -> Iterator[str]:
    """The last lines of a run, of what there is; with ``stages``, of what these have made."""

    def told(stage: str, file: Path) -> bool:
        return (stages is None or stage in stages) and (folder / file).exists()

    if told("evaluate", paths.metrics("evaluate")):
        yield from model_lines(read_json(folder / paths.metrics("evaluate")))
    if told("drift", paths.metrics("drift")):
        yield drift_line(read_json(folder / paths.metrics("drift")))
    if told("report", INDEX):
        yield f"open      {(folder / INDEX).resolve().as_uri()}"
