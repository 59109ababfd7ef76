"""The product's own fine-tuning as an arm, above layers whose states are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
from transformers import set_seed

from bench.default import mean_layer
from bench.default.arms import Fitted, Split, pass_of, pass_seconds
from bench.default.rows import LABELS
from bench.default.states import SOURCE, States
from bench.finetune.arms import predicted
from tasks.finetune import Params, fit, frozen
from tasks.modelling.checkpoints import checkpoint


@dataclass(frozen=True)
class Trained:
    """The product's own fine-tuning above layers whose states are kept: the checkpoint, or with the mean as last
    layer."""

    length: int
    frozen: int
    mean: int | None = None
    """The mean is the last layer, above so many layers that are trained with it; null: the checkpoint as it is."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, split: Split, seed: int) -> Fitted:
        """With section `finetune` as these settings have it."""
        below = pass_of(self.length)
        train, validation = (below.tokens.take(split[name].tolist()) for name in ("train", "validation"))
        section = Params(frozen_layers=self.frozen, threads=1, **self.settings)
        began = process_time()
        set_seed(seed)
        model = self._untrained()
        with _kept(below, split):
            found = fit.fit(model, train, validation, section, seed, longest=self.length)
        spent = process_time() - began + pass_seconds(below, split, self.frozen)

        def predict(numbers: np.ndarray) -> list[int]:
            with frozen.trainable_part(model, self.frozen, True):
                return predicted(model, below.above(numbers))

        return Fitted(predict, spent, f"validation accuracy {found.metrics['validation_accuracy']:.3f}")

    def _untrained(self) -> Any:
        if self.mean is None:
            return checkpoint.classifier(SOURCE, LABELS)
        return mean_layer.classifier(self.frozen + self.mean)


@contextmanager
def _kept(below: States, split: Split) -> Iterator[None]:
    """Within the block the frozen layers' pass of a training is the one that is there."""
    made = [below.above(split[name]) for name in ("train", "validation")]
    with patch.object(fit, "kept_passes", lambda *_: made):
        yield
