"""Write ``reports/index.html`` and say in a few lines what it says: ``python -m tasks.report``."""

from __future__ import annotations

from collections.abc import Iterator

from tasks import params, paths
from tasks.artefacts import replacing
from tasks.cli import run
from tasks.report import Params, inputs, verdict
from tasks.report.render import render


def closing_lines(found: inputs.Inputs) -> Iterator[str]:
    """How good the model is, whether there is drift, and which page to open."""
    for finding in verdict.findings(found)[:2]:
        yield f"{finding.about + ':':<7}{finding.title}. {finding.text}"
    yield f"Open:  {paths.INDEX}"


def main() -> None:
    """Run the stage on the repository's paths."""
    found = inputs.read()
    page = render(found, params.load(Params, "report"))
    with replacing(paths.INDEX) as part:
        part.write_text(page, encoding="utf-8")
    print("\n".join(closing_lines(found)))


if __name__ == "__main__":
    run(main)
