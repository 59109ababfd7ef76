"""Decision thresholds: when to act on a prediction, and when to abstain.

``finetune`` chooses a threshold per label on the validation rows and writes them to the model's ``config.json``;
``score`` applies them. The candidate label of a row has the lowest expected cost, (1 - probability) × its cost; without
costs that is the most probable label. It is acted on if its probability reaches the threshold. Not covered: costs that
depend on the true label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from tasks.core.errors import UserError
from tasks.core.params import Section

DIGITS = 6
Floats = npt.NDArray[np.float64]
Thresholds = Mapping[str, Mapping[str, float | None]]
"""``costs`` and ``thresholds`` by label, as in config.json; a threshold of None is never reached."""


class Rule(Section):
    """Section ``finetune.decision``: the aim of the thresholds; without one every prediction is acted on."""

    costs: dict[str, float] = Field(default_factory=dict)
    """Cost of acting on a wrong prediction, by label; default 1."""
    abstain: float | None = Field(default=None, gt=0)
    """Cost of abstaining: chooses the thresholds with the lowest cost on the validation rows."""
    precision: float | None = Field(default=None, gt=0, lt=1)
    """Precision to reach for each label: chooses the lowest thresholds that do."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """Confidence of that precision on the validation rows: a one-sided exact bound (Clopper and Pearson 1934)."""

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if self.abstain is not None and self.precision is not None:
            raise ValueError("give abstain or precision, not both")
        if any(cost <= 0 for cost in self.costs.values()):
            raise ValueError("costs must be above 0")
        return self

    def refuse_unknown(self, labels: Sequence[str]) -> None:
        """UserError if costs name a label that does not exist."""
        if unknown := sorted(set(self.costs) - set(labels)):
            raise UserError(f"finetune.decision.costs names {', '.join(unknown)}; the labels are {', '.join(labels)}")


def choose_thresholds(
    probability: Floats, truth: npt.NDArray[np.int64], labels: Sequence[str], rule: Rule
) -> Thresholds | None:
    """Thresholds from held-out rows, ``probability`` [rows, labels] and ``truth`` [rows]; None without an aim."""
    if rule == Rule():
        return None
    costs = np.array([rule.costs.get(label, 1.0) for label in labels])
    candidate = _candidate(probability, costs)
    found: dict[str, float | None] = {}
    for k, label in enumerate(labels):
        shares = probability[candidate == k, k]
        order = np.argsort(-shares, kind="stable")
        wrong = np.cumsum((truth[candidate == k] != k)[order])
        found[label] = (
            0.0 if rule.abstain is rule.precision is None else _threshold(shares[order], wrong, costs[k], rule)
        )
    return {"costs": dict(zip(labels, costs.tolist(), strict=True)), "thresholds": found}


def _candidate(probability: Floats, costs: Floats) -> npt.NDArray[np.int64]:
    candidate: npt.NDArray[np.int64] = ((1 - probability) * costs).argmin(axis=1)
    return candidate


def _threshold(shares: Floats, wrong: npt.NDArray[np.int64], cost: float, rule: Rule) -> float | None:
    """The threshold for descending ``shares`` [rows], of which the first i + 1 have ``wrong[i]`` errors."""
    rows = np.arange(1, len(shares) + 1)
    if rule.abstain is not None:
        total = np.concatenate([[0.0], wrong * cost - rows * rule.abstain])
        acted = int(len(total) - 1 - total[::-1].argmin())  # of equal costs the one that acts most
    else:
        from scipy.stats import beta

        bound = beta.ppf(1 - rule.confidence, np.maximum(rows - wrong, 1e-9), wrong + 1)
        reached = np.flatnonzero(bound >= (rule.precision or 0))
        acted = int(reached[-1]) + 1 if len(reached) else 0
    # rounded down, so that another CPU's last digits do not turn acting into abstaining
    return float(np.floor(shares[acted - 1] * 10**DIGITS) / 10**DIGITS) if acted else None


def decide(probability: Floats, labels: Sequence[str], thresholds: Thresholds | None) -> list[str | None]:
    """The label to act on for each row of ``probability`` [rows, labels]; None: abstain."""
    if thresholds is None:
        return [labels[i] for i in probability.argmax(axis=1)]
    candidates = _candidate(probability, np.array([thresholds["costs"][label] for label in labels], np.float64))
    lowest = [np.inf if (value := thresholds["thresholds"][label]) is None else value for label in labels]
    return [labels[k] if row[k] >= lowest[k] else None for k, row in zip(candidates.tolist(), probability, strict=True)]


def softmax(logits: npt.NDArray[Any]) -> Floats:
    """Probabilities [rows, labels] in float64; not scipy's, which a machine that only trains or scores may lack."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def thresholds_in(config: Mapping[str, Any]) -> Thresholds | None:
    """The thresholds in a model's config.json; None: act on every prediction."""
    found: Thresholds | None = config.get("decision")
    return found
