"""What a difference in macro-F1 hides: a collapsed model, a majority rate, measures that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.report.inputs import Record
from tasks.report.phrases import figure, percent, signed

COLLAPSED = 0.9
"""Share of rows that get one label; from here on, where far fewer have it, the model has collapsed."""
TOO_OFTEN = 0.15  # by which a collapsed model's label is predicted more often than it is true
DECIDING = {
    "accuracy": "accuracy",
    "mean_absolute_error": "mean absolute error",
    "quadratic_kappa": "quadratic kappa",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
}
"""The measures that are looked at beside macro-F1; the calibration error is too noisy to overrule it."""
LESS_IS_BETTER = frozenset({"log_loss", "mean_absolute_error"})


@dataclass(frozen=True)
class Majority:
    """The label that most test rows have, and the share that always answering it would get right."""

    label: str
    share: float


def majority(evaluate: Record) -> Majority | None:
    """Of the test rows; none where a row may have several labels."""
    if evaluate["confusion"] is None:
        return None
    rows = [sum(line) for line in evaluate["confusion"]["counts"]]
    place = rows.index(max(rows))
    return Majority(evaluate["confusion"]["labels"][place], rows[place] / max(1, sum(rows)))


@dataclass(frozen=True)
class Collapse:
    """One label for nearly all rows."""

    label: str
    predicted: float
    """Share of the test rows that get it."""
    true: float
    """Share that have it."""


def collapse(evaluate: Record) -> Collapse | None:
    """The label that the model gives to nearly all rows though far fewer have it; None: there is no such label,
    or a row may have several."""
    if evaluate["confusion"] is None:
        return None
    counts, labels = evaluate["confusion"]["counts"], evaluate["confusion"]["labels"]
    total = max(1, sum(map(sum, counts)))
    columns = [sum(line[i] for line in counts) for i in range(len(labels))]
    most = columns.index(max(columns))
    found = Collapse(labels[most], columns[most] / total, sum(counts[most]) / total)
    too_often = found.predicted - found.true > TOO_OFTEN
    return found if found.predicted >= COLLAPSED and too_often else None


@dataclass(frozen=True)
class Others:
    """The measures beside macro-F1 by which one of the two is significantly better, in words with their differences."""

    worse: tuple[str, ...]
    better: tuple[str, ...]


def others(evaluate: Record) -> Others:
    """By the 95 % intervals of the paired differences to the baseline."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for key, title in DECIDING.items():
        low, high = (evaluate["intervals"].get("differences") or {}).get(key) or (0.0, 0.0)
        if low > 0 or high < 0:
            found[(low > 0) != (key in LESS_IS_BETTER)].append(f"{title} ({signed(evaluate['differences'][key])})")
    return Others(tuple(found[False]), tuple(found[True]))


def listed(names: tuple[str, ...]) -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def sentences(evaluate: Record) -> Iterator[str]:
    """What stands below the figures of the model: the majority rate where there is one, the rest where it is so."""
    if (most := majority(evaluate)) is None:
        return
    if found := collapse(evaluate):
        yield (
            f"It says “{found.label}” to {percent(found.predicted)} of the rows, of which {percent(found.true)} have "
            "that label: it has collapsed."
        )
    beats = not no_better_than_majority(evaluate)
    beside = "" if beats else f"; the model is on {percent(evaluate['accuracy'])}, which is not shown to be more"
    yield f"Always answering “{most.label}” would be right on {percent(most.share)}{beside}."


def no_better_than_majority(evaluate: Record) -> bool:
    """Whether the accuracy is not shown to be above the majority rate."""
    span = evaluate["intervals"].get("accuracy")  # records of the first releases had none
    most = majority(evaluate)
    return bool(span and most and span[0] <= most.share)


def by_others(evaluate: Record) -> str:
    """A sentence on the measures that speak against macro-F1; empty where none does."""
    low, high = evaluate["intervals"]["difference"]
    found = others(evaluate)
    against = found.worse if low > 0 else found.better if high < 0 else ()
    if not against:
        return ""
    return f"By {listed(against)} it is {'worse' if low > 0 else 'better'}: the measures contradict each other."


def steps_off(evaluate: Record) -> str:
    """How far predictions are from the labels, where these have an order; empty where not."""
    if evaluate.get("task") != "ordinal":
        return ""
    defined = "quadratic_kappa" in evaluate
    kappa = _with_interval(evaluate, "quadratic_kappa") if defined else "not defined on these rows"
    return (
        f"Predictions are {_with_interval(evaluate, 'mean_absolute_error')} steps off on average, and at most one step "
        f"on {percent(evaluate['within_one_step'])} of the rows; quadratic kappa is {kappa}."
    )


def _with_interval(evaluate: Record, name: str) -> str:
    low, high = evaluate["intervals"][name]
    return f"{figure(evaluate[name])} ({figure(low)} to {figure(high)})"
