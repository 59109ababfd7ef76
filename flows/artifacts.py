"""What a flow run leaves on the server for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from flows import compared
from flows.compared import Model
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


def publish(results: Sequence[Result], folder: Path, beside: Sequence[Model] | None = None) -> None:
    """What the stages did, what came of it and, where a model was trained, its figures ``beside`` those of others."""
    create_markdown_artifact(key="stages", markdown=markdown(results), description="What each stage did, and why")
    figures = compared.markdown(folder, beside) if beside is not None else None
    if figures:
        text = "\n".join([figures, "", *links(folder)])
        create_markdown_artifact(key="metrics", markdown=text, description="The model beside the last and the champion")
    verdict = "\n".join(["```", *closing_lines(folder), "```", *links(folder)])
    create_markdown_artifact(key="verdict", markdown=verdict, description="The model, drift, and the pages to open")
