"""Take part in a training that another node runs: ``python -m tasks.finetune.node``, with torchrun's variables.

The first node runs the stage itself, `driftline run` for one, and writes; all read one repository on a shared disk.
"""

from __future__ import annotations

from tasks.core import params
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.finetune import Params, launch


def take_part() -> None:
    """The processes of this node."""
    section, nodes = params.load(Params, "finetune"), launch.Nodes.found()
    if nodes.index == 0:
        raise UserError("this is the first node (PET_NODE_RANK is 0): run the stage here, python -m tasks.finetune")
    launch.run(section, params.general(), nodes)


if __name__ == "__main__":
    run(take_part)
