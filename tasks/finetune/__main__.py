"""Train the classifier and write it: ``python -m tasks.finetune``."""

from __future__ import annotations

from tasks.core import params
from tasks.core.cli import run
from tasks.finetune import Params, linear
from tasks.modelling.linear.choices import FAMILY


def main() -> None:
    """Run the stage on the repository's paths."""
    section, general = params.load(Params, "finetune"), params.general()
    if general.model.family == FAMILY:
        linear.run(section, general)
    elif section.processes > 1:
        from tasks.finetune import launch

        launch.run(section, general)
    else:
        from tasks.finetune import transformer  # torch and transformers: seconds that a linear model need not wait for

        transformer.run(section, general)


if __name__ == "__main__":
    run(main)
