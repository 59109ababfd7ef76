"""Pre-train on, or leave the marker that nothing was pre-trained: ``python -m tasks.pretrain``.

Without epochs nothing but the parameters is read and no library is loaded: the stage is always in the pipeline.
"""

from __future__ import annotations

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import replacing_folder, write_json
from tasks.pretrain import Params


def main() -> None:
    """Run the stage on the repository's paths."""
    section, figures = params.load(Params, "pretrain"), {"epochs": 0}
    if section.epochs:
        from tasks.modelling.checkpoints import checkpoint
        from tasks.pretrain.resume import pretrain

        general = params.general()
        figures = pretrain(section, general.seed, checkpoint.resolve(general.model))
    else:
        with replacing_folder(paths.PRETRAINED) as part:
            write_json(figures, part / "pretrain.json")
    write_json(figures, paths.metrics("pretrain"))


if __name__ == "__main__":
    run(main)
