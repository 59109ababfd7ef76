"""The curves as they grow, through DVCLive, in a folder beside the pipeline's outputs. Written from the trainer's own
log, so that they are whole after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.finetune import record


class Live(TrainerCallback):
    """One point for each check."""

    def __init__(self, folder: Path) -> None:
        from dvclive import Live as DvcLive

        self.live: Any = DvcLive(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
        self.written = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """What an interrupted training had logged."""
        self._write(state)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """What is new."""
        self._write(state)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the files."""
        self.live.end()

    def _write(self, state: TrainerState) -> None:
        rows = record.curves(state.log_history)
        for row in rows[self.written :]:
            self.live.step = row["step"]
            for name, value in row.items():
                if name != "step":
                    self.live.log_metric(name, value)
            self.live.make_summary()
        self.written = len(rows)
