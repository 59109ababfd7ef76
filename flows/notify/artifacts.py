"""What a flow run leaves on the server for a person to read."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.champion import model_table
from flows.champion.model_table import Model
from flows.machine import pages
from flows.notify.markdown import cell, escaped, listed
from flows.pipeline.result import Result
from flows.runs.summary import closing_lines, rows
from tasks.core import paths
from tasks.dataset import layout
from tasks.drift import DRIFT_REPORT
from tasks.report import INDEX


def links(folder: Path, stages: Collection[str] | None = None) -> list[str]:
    """Markdown links to the reports that exist, in words where no server gives them out; with ``stages``, to those that
    these have made."""
    reports = {
        "report": ("report", INDEX),
        "drift": ("drift", DRIFT_REPORT),
        **{
            f"data docs, {name}": (f"validate@{name}", layout.window(name).data_docs / "index.html")
            for name in paths.WINDOWS
        },
    }
    asked = {name: page for name, (stage, page) in reports.items() if stages is None or stage in stages}
    there = {name: pages.address(folder, page) for name, page in asked.items() if (folder / page).exists()}
    lines = [f"- [{name}]({found})" if found else f"- {name}: `{asked[name]}`" for name, found in there.items()]
    return [*lines, f"- {escaped(how_to_open(folder))}"] if there else []


def how_to_open(folder: Path) -> str:
    """The command that opens a run's reports whether or not a server of ours is there."""
    return f"on {platform.node()}: driftline report {pages.run_of(folder) or '--open'}"


def publish(results: Sequence[Result], folder: Path, others: Sequence[Model] | None = None) -> None:
    """What the stages did, what came of it and, where a model was trained, its figures beside those of ``others``.

    A training of some stages tells of these alone: its clone still holds what an earlier run made of the rest.
    """
    stages = None if others is None else {result.stage for result in results}
    create_table_artifact(key="stages", table=_cells(rows(results)), description="What each stage did, and why")
    figures = model_table.table(folder, others) if others is not None else []
    if figures:
        create_table_artifact(
            key="metrics", table=_cells(figures), description="The model beside the last and the champion"
        )
    verdict = "\n".join([listed("\n".join(closing_lines(folder, stages))), *links(folder, stages)])
    create_markdown_artifact(key="verdict", markdown=verdict, description="The model, drift, and the pages to open")


def _cells(table: Sequence[Mapping[str, str | float]]) -> list[dict[str, str | float]]:
    return [{key: cell(value) if isinstance(value, str) else value for key, value in row.items()} for row in table]
