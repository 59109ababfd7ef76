"""Write ``reports/index.html`` and the model card, and print a summary: ``python -m tasks.report``."""

from __future__ import annotations

from pathlib import Path

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import private_folder, read_json, replacing
from tasks.report import CARD, COST, INDEX, Params, inputs
from tasks.report.card import model_card
from tasks.report.closing_summary import closing_lines
from tasks.report.render import render, render_cost


def main() -> None:
    """Run the stage on the repository's paths."""
    private_folder(paths.REPORTS)
    found = inputs.read_inputs()
    section = params.load(Params, "report")
    texts = {INDEX: render(found, section), CARD: model_card(found, section.card)} | _cost(section)
    for path, text in texts.items():
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    print("\n".join(closing_lines(found)))


def _cost(section: Params) -> dict[Path, str]:
    """The page of what the training cost, by its path; none where no training ran here, or its note is lost."""
    try:
        cost = read_json(paths.FINETUNE_COST)
    except UserError:
        return {}
    return {COST: render_cost(cost, section)}


if __name__ == "__main__":
    run(main)
