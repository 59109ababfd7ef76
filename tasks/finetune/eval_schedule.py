"""When the trainer evaluates on validation rows."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def is_eval_step(step: int, steps_per_epoch: int, evals_per_epoch: int) -> bool:
    """Whether to evaluate after a step (counted from 1): ``evals_per_epoch`` times, always at the epoch's end."""
    within = (step - 1) % steps_per_epoch
    return (within + 1) * evals_per_epoch // steps_per_epoch > within * evals_per_epoch // steps_per_epoch


class EvalSchedule(TrainerCallback):
    """Evaluates and logs at the end of a step, so that a checkpoint of that step contains both."""

    def __init__(self, evals_per_epoch: int) -> None:
        self.evals_per_epoch = evals_per_epoch

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request evaluation and logging where they are due."""
        per_epoch = round(state.max_steps / state.num_train_epochs)
        control.should_log = control.should_evaluate = is_eval_step(state.global_step, per_epoch, self.evals_per_epoch)
