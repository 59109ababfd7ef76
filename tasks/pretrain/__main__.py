"""Continue pre-training, or write a marker that there was none: ``python -m tasks.pretrain``.

The stage is always in the pipeline; with ``epochs: 0`` it reads its parameters only and imports no library.
"""

from __future__ import annotations

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import replacing_folder, write_json, write_metrics
from tasks.pretrain import Params


def main() -> None:
    """Run the stage on the repository's paths."""
    section, metrics = params.load(Params, "pretrain"), {"epochs": 0}
    if section.epochs:
        from tasks.modelling.checkpoints import checkpoint, versions, watched
        from tasks.pretrain.run import pretrain

        general = params.general()
        watched.refuse_unwatched("model.name", general.model.name, "pretrain")
        versions.print_differing()
        metrics = pretrain(section, general.seed, checkpoint.resolve(general.model))
    else:
        with replacing_folder(paths.PRETRAINED) as part:
            write_json(metrics, part / "pretrain.json")
    write_metrics(metrics, paths.metrics("pretrain"))


if __name__ == "__main__":
    run(main)
