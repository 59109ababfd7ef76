"""Write ``reports/index.html`` and the model card, and say in a few lines what it says: ``python -m tasks.report``."""

from __future__ import annotations

from tasks import params, paths
from tasks.artefacts import replacing
from tasks.cli import run
from tasks.report import Params, inputs
from tasks.report.card import card
from tasks.report.render import render
from tasks.report.say import say


def main() -> None:
    """Run the stage on the repository's paths."""
    found = inputs.read()
    section = params.load(Params, "report")
    for path, text in ((paths.INDEX, render(found, section)), (paths.CARD, card(found, section.card))):
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    say(found)


if __name__ == "__main__":
    run(main)
