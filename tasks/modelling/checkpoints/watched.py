"""Whether DVC sees a change of the folder that a training starts from: ``model.name``'s, or a warm start's."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.yaml_files import read_yaml

PIPELINE = Path("dvc.yaml")
BASE = Path("models/base")
"""The dep of every stage that reads such a folder, whether it holds one or not."""
STAGES = {"model.name": ("tokenize", "pretrain", "finetune"), "finetune.warm_start.folder": ("finetune",)}
"""Which stages read the folder that a key of ``params.yaml`` names."""


def refuse_unwatched(key: str, name: str | None, stage: str) -> None:
    """UserError where DVC runs the stage and would not run it again once the folder ``name``, which ``key`` of
    ``params.yaml`` gives, has changed. Run by hand, a stage reads what is there."""
    if name is None or not Path(name).is_dir() or "DVC_STAGE" not in os.environ:
        return
    folder = Path(os.path.normpath(name))
    stages = (read_yaml(PIPELINE) or {}).get("stages", {})
    deps = [str(next(iter(one)) if isinstance(one, dict) else one) for one in stages.get(stage, {}).get("deps", [])]
    if f"${{{key}}}" in deps or any(folder.is_relative_to(os.path.normpath(dep)) for dep in deps):
        return
    raise UserError(
        f"{key}: DVC does not watch {name}, and its changes would go unseen: move it "
        f"(`git mv {name} {BASE}/{folder.name}`), "
        f'or write "${{{key}}}" among the deps of {stage} in {PIPELINE}'
    )
