"""Training progress: a bar with the time left and the throughput, and a line after each evaluation."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

UPDATE_SECONDS = 2.0  # between two updates of the throughput, for which a GPU has to synchronise


class Progress(TrainerCallback):
    """One bar over all steps, and the counts of what this process trained on."""

    def __init__(
        self,
        stage: str,
        unit: str = "tokens",
        flops: Callable[[int, int], float] | None = None,
        peak_flops: float = 0.0,
    ) -> None:
        """``flops``: a training's multiplications by its tokens and rows; ``peak_flops``: what a second allows."""
        self.stage, self.unit, self.flops, self.peak_flops = stage, unit, flops, peak_flops
        self.bar: tqdm[Any] | None = None
        self.train_loss = float("nan")
        self.rows = 0
        self.seconds = 0.0
        self._tokens: torch.Tensor | None = None
        self._shown = 0.0

    def count(self, mask: torch.Tensor) -> None:
        """Count a batch by its attention mask, [rows, tokens]."""
        self.rows += len(mask)
        self._tokens = mask.sum() if self._tokens is None else self._tokens + mask.sum()

    @property
    def tokens(self) -> int:
        """Without padding."""
        return 0 if self._tokens is None else int(self._tokens)

    def share_of_peak(self) -> float | None:
        """The training's multiplications a second, as a share of ``peak_flops``; None if unknown."""
        if not (self.flops and self.peak_flops and self.seconds):
            return None
        return self.flops(self.tokens, self.rows) / self.seconds / self.peak_flops

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar, at the step a training resumes from."""
        self._began = perf_counter()
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self.stage,
            unit=" steps",
            mininterval=1,
            dynamic_ncols=True,
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar."""
        if self.bar is None:
            return
        self.seconds = perf_counter() - self._began
        if self.seconds - self._shown > UPDATE_SECONDS:
            self._shown, share = self.seconds, self.share_of_peak()
            throughput = f"{self.tokens / self.seconds:,.0f} {self.unit}/s"
            self.bar.set_postfix_str(throughput + (f", {share:.0%} of peak" if share else ""), refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Print a line after each evaluation."""
        logs = logs or {}
        self.train_loss = logs.get("loss", self.train_loss)
        if "eval_loss_mean" in logs:
            tqdm.write(
                f"epoch {state.epoch or 0:.3g} of {state.num_train_epochs}: train loss {self.train_loss:.4f}, "
                f"validation loss {logs['eval_loss_mean']:.4f}, validation accuracy {logs['eval_accuracy']:.4f}"
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
        self.seconds = perf_counter() - getattr(self, "_began", perf_counter())
