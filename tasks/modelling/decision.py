"""When to act on what the model says, and when to leave a text to a person.

``finetune`` chooses a threshold for each label on the validation rows and writes them into the model's ``config.json``;
``score`` abides by them. Of each text the label is considered whose saying costs least, (1 - probability) × its cost;
without costs that is the most probable one. It is acted on from its threshold on. Not covered: costs that hang on what
the label should have been.
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
Chosen = Mapping[str, Mapping[str, float | None]]
"""``costs`` and ``thresholds`` by label, as config.json holds them; a threshold of None is never reached."""


class Rule(Section):
    """Section ``finetune.decision``: what a threshold is chosen for; without an aim every prediction is acted on."""

    costs: dict[str, float] = Field(default_factory=dict)
    """What acting on a label costs where it is wrong; 1 for those not named."""
    abstain: float | None = Field(default=None, gt=0)
    """What leaving a text to a person costs: thresholds that make the validation rows cost least."""
    precision: float | None = Field(default=None, gt=0, lt=1)
    """Share of right answers that each label acted on must reach: the lowest thresholds that do."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """How sure that share must be on the validation rows: a one-sided exact bound (Clopper and Pearson 1934)."""

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if self.abstain is not None and self.precision is not None:
            raise ValueError("give abstain or precision, not both")
        if any(cost <= 0 for cost in self.costs.values()):
            raise ValueError("costs must be above 0")
        return self

    def refuse_unknown(self, labels: Sequence[str]) -> None:
        """UserError where a cost is of a label that there is not."""
        if unknown := sorted(set(self.costs) - set(labels)):
            raise UserError(f"finetune.decision.costs names {', '.join(unknown)}; the labels are {', '.join(labels)}")


def choose(probability: Floats, truth: npt.NDArray[np.int64], labels: Sequence[str], rule: Rule) -> Chosen | None:
    """Thresholds from held-out rows, ``probability`` [rows, labels] and ``truth`` [rows]; None where none is asked."""
    if rule == Rule():
        return None
    costs = np.array([rule.costs.get(label, 1.0) for label in labels])
    said = _considered(probability, costs)
    found: dict[str, float | None] = {}
    for k, label in enumerate(labels):
        shares = probability[said == k, k]
        order = np.argsort(-shares, kind="stable")
        wrong = np.cumsum((truth[said == k] != k)[order])
        found[label] = 0.0 if rule.abstain is rule.precision is None else _lowest(shares[order], wrong, costs[k], rule)
    return {"costs": dict(zip(labels, costs.tolist(), strict=True)), "thresholds": found}


def _considered(probability: Floats, costs: Floats) -> npt.NDArray[np.int64]:
    said: npt.NDArray[np.int64] = ((1 - probability) * costs).argmin(axis=1)
    return said


def _lowest(shares: Floats, wrong: npt.NDArray[np.int64], cost: float, rule: Rule) -> float | None:
    """The threshold for falling ``shares`` [rows], of which the first i + 1 hold ``wrong[i]`` mistakes."""
    rows = np.arange(1, len(shares) + 1)
    if rule.abstain is not None:
        spent = np.concatenate([[0.0], wrong * cost - rows * rule.abstain])
        acted = int(len(spent) - 1 - spent[::-1].argmin())  # of equally cheap ones the one that acts most
    else:
        from scipy.stats import beta

        sure = beta.ppf(1 - rule.confidence, np.maximum(rows - wrong, 1e-9), wrong + 1)
        reached = np.flatnonzero(sure >= (rule.precision or 0))
        acted = int(reached[-1]) + 1 if len(reached) else 0
    # rounded down: another processor's last digits must not abstain where this one acts
    return float(np.floor(shares[acted - 1] * 10**DIGITS) / 10**DIGITS) if acted else None


def decide(probability: Floats, labels: Sequence[str], chosen: Chosen | None) -> list[str | None]:
    """The label to act on for each row of ``probability`` [rows, labels]; None: abstain."""
    if chosen is None:
        return [labels[i] for i in probability.argmax(axis=1)]
    said = _considered(probability, np.array([chosen["costs"][label] for label in labels], np.float64))
    lowest = [np.inf if (its := chosen["thresholds"][label]) is None else its for label in labels]
    return [labels[k] if row[k] >= lowest[k] else None for k, row in zip(said.tolist(), probability, strict=True)]


def read(config: Mapping[str, Any]) -> Chosen | None:
    """What a model's config.json says; None: act on every prediction."""
    found: Chosen | None = config.get("decision")
    return found
