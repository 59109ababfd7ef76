"""The curves so far, beside a training's checkpoints: what watches it, `driftline search`, may end it early."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.core.paths import CURVES
from tasks.finetune import record


class LiveCurves(TrainerCallback):
    """Writes them after each evaluation, whole; a full disk costs the file and not the training."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / CURVES.name

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """With those from before a resume."""
        with suppress(OSError):
            record.write_curves(record.curves(state.log_history), self.file)
