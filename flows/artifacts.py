"""What a flow run leaves on the server for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from flows.stage import Result
from flows.summary import closing_lines, markdown
from tasks import paths


def links(folder: Path) -> list[str]:
    """Markdown links to the reports that exist."""
    pages = {
        "report": paths.INDEX,
        "drift": paths.DRIFT_REPORT,
        **{f"data docs, {name}": paths.window(name).data_docs / "index.html" for name in paths.WINDOWS},
    }
    found = {name: (folder / page).resolve() for name, page in pages.items() if (folder / page).exists()}
    return [f"- [{name}]({page.as_uri()})" for name, page in found.items()]


def publish(results: Sequence[Result], folder: Path) -> None:
    """Two artifacts: what the stages did, and what came of it."""
    create_markdown_artifact(key="stages", markdown=markdown(results), description="What each stage did, and why")
    verdict = "\n".join(["```", *closing_lines(folder), "```", *links(folder)])
    create_markdown_artifact(key="verdict", markdown=verdict, description="The model, drift, and the pages to open")
