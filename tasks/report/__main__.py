"""Write ``reports/index.html`` and say in a few lines what it says: ``python -m tasks.report``."""

from __future__ import annotations

from tasks import params, paths
from tasks.artefacts import replacing
from tasks.cli import run
from tasks.report import Params, inputs
from tasks.report.render import render
from tasks.report.say import say


def main() -> None:
    """Run the stage on the repository's paths."""
    found = inputs.read()
    page = render(found, params.load(Params, "report"))
    with replacing(paths.INDEX) as part:
        part.write_text(page, encoding="utf-8")
    say(found)


if __name__ == "__main__":
    run(main)
