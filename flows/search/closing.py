"""What a search came to, in lines."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from flows.search.scores import Optimism
from flows.search.space import Measure, Space, Values, nested

if TYPE_CHECKING:
    import optuna

AS_IT_STANDS, ERROR, NAME, VALUES = "as it stands", "error", "name", "values"
"""Attributes that a study and its trials have."""


@dataclass(frozen=True)
class Trial:
    """One that is over."""

    name: str
    """Of its experiment."""
    values: Values
    outcome: str
    score: float | None
    """None where it was not trained to its end."""


@dataclass(frozen=True)
class Tried:
    """The trials that are over."""

    space: Space
    trials: Sequence[Trial]
    as_it_stands: float | None
    """The score of params.yaml without a change."""

    @classmethod
    def of(cls, study: optuna.Study, space: Space) -> Tried:
        """Those that a study holds; one whose process was killed is not over."""
        over = [one for one in study.trials if one.state.name in ("COMPLETE", "PRUNED") or _failed(one)]
        return cls(space, [_trial(one) for one in over], study.user_attrs.get(AS_IT_STANDS))

    @property
    def complete(self) -> list[Trial]:
        """Those trained to their end, the best first."""
        found = [one for one in self.trials if one.score is not None]
        return sorted(found, key=lambda one: one.score or 0.0, reverse=self.space.direction == "maximize")

    @property
    def best(self) -> Trial | None:
        """The one that is better than params.yaml as it stands; None where none is."""
        first = next(iter(self.complete), None)
        if first is None or first.score is None or self.as_it_stands is None:
            return first
        better = (self.as_it_stands - first.score) * (1 if self.space.direction == "minimize" else -1) > 0
        return first if better else None


def _failed(one: Any) -> bool:
    return one.state.name == "FAIL" and ERROR in one.user_attrs


def _trial(one: Any) -> Trial:
    outcome = {"COMPLETE": "", "PRUNED": "ended early"}.get(one.state.name, f"failed: {one.user_attrs.get(ERROR)}")
    score = one.value if one.state.name == "COMPLETE" else None
    return Trial(one.user_attrs[NAME], one.user_attrs[VALUES], outcome, score)


def in_words(measure: Measure, score: float) -> str:
    """``log loss 0.0854``."""
    return f"{measure.replace('_', ' ')} {score:.4f}"


def lines(tried: Tried, cost: Optimism, applies: bool = True) -> Iterator[str]:
    """The best trial, what it is expected to reach, and how to have it.

    ``applies``: `dvc exp apply` takes it over, which needs a ``dvc.lock`` of every stage.
    """
    count = len(tried.trials)
    early = sum(one.outcome == "ended early" for one in tried.trials)
    failed = count - early - len(tried.complete)
    yield f"{count} trials: {len(tried.complete)} trained, {early} ended early, {failed} failed"
    stands = in_words(tried.space.measure, tried.as_it_stands or 0.0)
    best = tried.best
    if best is None or best.score is None:
        yield f"no trial beats params.yaml as it stands, validation {stands}"
    else:
        yield f"best: {best.name}, validation {in_words(tried.space.measure, best.score)}; as it stands {stands}"
    low, high = cost.interval
    yield (
        f"expected of a model chosen so: {cost.expected:.4f} [{low:.4f}, {high:.4f}]; the choice makes the best look "
        f"better by {cost.difference:.4f} (Tsamardinos et al. 2018, on {cost.rows} validation rows)"
    )
    if best is None:
        return
    yield from ("", "in params.yaml:", _block(best.values))
    yield "to run it: " + (
        f"dvc exp apply {best.name} && driftline run" if applies else "write that, then driftline run"
    )


def table(tried: Tried) -> Iterator[str]:
    """Every trial, the best first."""
    others = [one for one in tried.trials if one.score is None]
    for one in (*tried.complete, *others):
        yield f"{one.name}  {one.outcome if one.score is None else f'{one.score:.4f}'}  {shown(one.values)}"


def shown(values: Values) -> str:
    """On one line."""
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in values.items())


def _block(values: Values) -> str:
    text = io.StringIO()
    YAML().dump(nested(values), text)
    return text.getvalue()
