"""Write ``reports/index.html`` and the model card, and print a summary: ``python -m tasks.report``."""

from __future__ import annotations

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import private_folder, replacing
from tasks.report import CARD, INDEX, Params, inputs
from tasks.report.card import model_card
from tasks.report.closing_summary import closing_lines
from tasks.report.render import render


def main() -> None:
    """Run the stage on the repository's paths."""
    private_folder(paths.REPORTS)
    found = inputs.read_inputs()
    section = params.load(Params, "report")
    for path, text in ((INDEX, render(found, section)), (CARD, model_card(found, section.card))):
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    print("\n".join(closing_lines(found)))


if __name__ == "__main__":
    run(main)
