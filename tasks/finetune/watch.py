"""What a person sees of the training: a bar while it runs, and a line after each epoch."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Watch(TrainerCallback):
    """One bar over all steps."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.loss = float("nan")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar, where an interrupted training was."""
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="finetune",
            unit=" steps",
            mininterval=1,
            dynamic_ncols=True,
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Say how the epoch went, once its validation is there."""
        logs = logs or {}
        self.loss = logs.get("loss", self.loss)
        if "eval_loss_mean" in logs:
            tqdm.write(
                f"epoch {state.epoch or 0:.3g} of {state.num_train_epochs}: loss {self.loss:.4f} on train, "
                f"{logs['eval_loss_mean']:.4f} on validation; accuracy {logs['eval_accuracy']:.4f} on validation"
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
