"""When the trainer looks at validation, when it keeps a checkpoint, and when it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.modelling.training.checkpoint_store import Checkpoints
from tasks.modelling.training.shutdown import Leaving


def is_check(step: int, steps_per_epoch: int, checks: int) -> bool:
    """Whether validation is looked at after a step (from 1): ``checks`` times an epoch, at its end always."""
    within = (step - 1) % steps_per_epoch
    return math.floor((within + 1) * checks / steps_per_epoch) > math.floor(within * checks / steps_per_epoch)


class Pace(TrainerCallback):
    """All of it happens at the end of a step, so that a checkpoint of that step holds it."""

    def __init__(self, checks: int, checkpoints: Checkpoints, leaving: Leaving, begin: Callable[[], None]) -> None:
        self.checks, self.checkpoints, self.leaving, self.begin = checks, checkpoints, leaving, begin

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """What the trainer itself does not restore."""
        self.begin()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for what is due."""
        per_epoch = round(state.max_steps / state.num_train_epochs)
        control.should_log = control.should_evaluate = is_check(state.global_step, per_epoch, self.checks)
        control.should_save = bool(self.leaving) or self.checkpoints.due
        control.should_training_stop = control.should_training_stop or bool(self.leaving)
