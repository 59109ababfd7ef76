"""What a person sees of the training: a bar with the time left and the speed, and a line after each check."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.finetune.speed import Matrices

EVERY_SECONDS = 2.0  # between two looks at the counters, for which a GPU has to wait


class Watch(TrainerCallback):
    """One bar over all steps, and the counts of what went through the model in this process."""

    def __init__(self, matrices: Matrices | None = None, rate: float = 0.0, unit: str = "tokens") -> None:
        self.matrices, self.rate, self.unit = matrices, rate, unit
        self.bar: tqdm[Any] | None = None
        self.loss = float("nan")
        self.rows = 0
        self.seconds = 0.0
        self._tokens: torch.Tensor | None = None
        self._shown = 0.0

    def fed(self, mask: torch.Tensor) -> None:
        """A batch's attention mask, [rows, tokens]."""
        self.rows += len(mask)
        self._tokens = mask.sum() if self._tokens is None else self._tokens + mask.sum()

    @property
    def tokens(self) -> int:
        """Real ones, without padding."""
        return 0 if self._tokens is None else int(self._tokens)

    def share(self) -> float | None:
        """Of the rate that matrix multiplication alone reaches here, what the training's own multiplications reach."""
        if not (self.matrices and self.rate and self.seconds):
            return None
        return self.matrices.flops(self.tokens, self.rows) / self.seconds / self.rate

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar, where an interrupted training was."""
        self._began = perf_counter()
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
        if self.bar is None:
            return
        self.seconds = perf_counter() - self._began
        if self.seconds - self._shown > EVERY_SECONDS:
            self._shown, share = self.seconds, self.share()
            words = f"{self.tokens / self.seconds:,.0f} {self.unit}/s"
            self.bar.set_postfix_str(words + (f", {share:.0%} of peak" if share else ""), refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Say how it stands, once validation has been looked at."""
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
        self.seconds = perf_counter() - getattr(self, "_began", perf_counter())
