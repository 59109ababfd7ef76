"""Live curves through DVCLive, in a folder outside DVC's outputs. Written from the trainer's log, so that they are
complete after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.core.errors import UserError
from tasks.finetune import record


class DvcLiveCallback(TrainerCallback):
    """Logs one point for each evaluation."""

    def __init__(self, folder: Path) -> None:
        try:
            from dvclive import Live
        except ModuleNotFoundError:
            raise UserError(
                "finetune.dvclive needs DVCLive: pip install -c requirements.lock -e '.[dvclive]', or set it false"
            ) from None
        self.live: Any = Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
        self.written = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write what was logged before a resume."""
        self._write(state)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write new points."""
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
