"""The figures of ``task: multi_label``: equal to scikit-learn's, each with its interval and beside the baseline's.

``accuracy`` is subset accuracy, the share of rows all of whose labels are right, and a row counts as wrong where one is
not. ``micro_f1`` counts (row, label) pairs, ``macro_f1`` is the mean over the labels that are true or given of some
row, ``mean_average_precision`` (mAP) and ``roc_auc`` are means over the labels that some rows have and some have not.
``log_loss`` is the mean over rows and labels, and calibration is that of the pairs: how often a label that is given a
probability is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.dataset.labels import MULTI
from tasks.evaluate import Params
from tasks.evaluate.bootstrap import model_intervals, percentile_interval, resampled
from tasks.evaluate.reliability import diagram
from tasks.evaluate.slices import slices
from tasks.evaluate.weighted import PER_CLASS, Ranked
from tasks.statistics.calibration import bin_numbers, calibration_error
from tasks.statistics.measures import Counts, Floats

OVERALL = (
    "accuracy",
    "micro_f1",
    "macro_f1",
    "mean_average_precision",
    "roc_auc",
    "log_loss",
    "calibration_error",
)
MAX_PAIRS = 100_000  # (row, label) pairs of the reliability diagram; of more, as many spread evenly
EPSILON = np.finfo(np.float64).eps
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """What one model says of some rows."""

    truth: Bools
    """[rows, labels]"""
    given: Bools
    """[rows, labels]"""
    probability: Floats
    """[rows, labels]"""

    @property
    def wrong(self) -> Bools:
        """Whether a row has a label too many or too few, [rows]."""
        wrong: Bools = (self.truth != self.given).any(axis=1)
        return wrong


class Measures:
    """The measures under weights of the rows, equal to scikit-learn's with that ``sample_weight``."""

    def __init__(self, predictions: Predictions, bins: int) -> None:
        truth, given, probability = predictions.truth, predictions.given, predictions.probability
        self._right = (~predictions.wrong).astype(np.float64)
        self._hit, self._true, self._given = (cells.astype(np.float64) for cells in (truth & given, truth, given))
        share = np.clip(probability, EPSILON, 1 - EPSILON)
        self._loss = -np.where(truth, np.log(share), np.log1p(-share)).mean(axis=1)
        self._gap = (probability - truth).ravel()
        self._bin = bin_numbers(probability.ravel(), bins)
        self._labels = truth.shape[1]
        self._ranked = [Ranked(truth[:, k], probability[:, k]) for k in range(self._labels)]
        self._whole = self._by_label(np.ones(len(truth), np.int64))

    def weighted(self, weights: Counts) -> dict[str, Floats]:
        """OVERALL [] and PER_CLASS [labels] under ``weights`` [rows], which are whole numbers; ``average_precision``
        [labels], NaN where undefined."""
        return self._measures(weights, self._by_label(weights))

    def resampled(self, weights: Counts) -> dict[str, Floats]:
        """The same for a resample. Where it lacks a label, the label keeps what it has on all rows."""
        drawn = self._by_label(weights)
        kept = {name: np.where(np.isnan(values), self._whole[name], values) for name, values in drawn.items()}
        return self._measures(weights, kept)

    def _by_label(self, weights: Counts) -> dict[str, Floats]:
        counted = weights.astype(np.float64)
        hit, true, given = (counted @ cells for cells in (self._hit, self._true, self._given))
        roc, average = np.array([ranked.areas(weights) for ranked in self._ranked]).T
        found = {"precision": (hit, given), "recall": (hit, true), "f1": (2 * hit, true + given)}
        shares = {name: part / np.where(whole == 0, np.nan, whole) for name, (part, whole) in found.items()}
        return shares | {"roc_auc": roc, "average_precision": average}

    def _measures(self, weights: Counts, by_label: dict[str, Floats]) -> dict[str, Floats]:
        counted = weights.astype(np.float64)
        total = counted.sum()
        hit, true, given = (float((counted @ cells).sum()) for cells in (self._hit, self._true, self._given))
        repeated = np.repeat(counted, self._labels)
        return {
            "accuracy": counted @ self._right / total,
            "micro_f1": np.array(2 * hit / (true + given) if true + given else 0.0),
            "macro_f1": _mean(by_label["f1"]),
            "mean_average_precision": _mean(by_label["average_precision"]),
            "roc_auc": _mean(by_label["roc_auc"]),
            "log_loss": counted @ self._loss / total,
            "calibration_error": np.array(calibration_error(self._gap, self._bin, repeated)),
            **{name: np.nan_to_num(by_label[name]) for name in PER_CLASS},
            "average_precision": by_label["average_precision"],
        }


def _mean(values: Floats) -> Floats:
    defined = values[~np.isnan(values)]
    return np.array(defined.mean() if len(defined) else np.nan)


def figures(
    train: pa.Table,
    test: pa.Table,
    tables: tuple[pa.Table, pa.Table],
    trained: list[str],
    groups: Counts,
    section: Params,
    seed: int,
) -> dict[str, Any]:
    """What ``metrics/evaluate.json`` says; ``tables``: what the model and the baseline say of the test rows, in their
    order; ``trained``: the model's labels; ``groups`` [rows] are resampled whole."""
    counts = MULTI.count(test["label"].to_pylist())
    lacking = {label: rows for label, rows in sorted(counts.items()) if label not in trained}
    labels = [*trained, *lacking]
    models = [_predictions(test, table, labels) for table in tables]
    measured = [Measures(predictions, section.calibration_bins) for predictions in models]
    drawn = [_drawn(each, groups, seed, section.resamples) for each in measured]
    whole = [each.weighted(np.ones(len(test), np.int64)) for each in measured]
    own, of_baseline = (_overall(each) for each in whole)
    shared = [name for name in OVERALL if name in own and name in of_baseline]
    differences = {name: own[name] - of_baseline[name] for name in shared}
    intervals = {name: percentile_interval(drawn[0][name] - drawn[1][name]) for name in shared}
    rows_by_label = MULTI.count(train["label"].to_pylist())
    support = models[0].truth.sum(axis=0).tolist()
    classes, classes_of_baseline = (_classes(each, labels, support) for each in whole)
    wrong, wrong_baseline = (predictions.wrong for predictions in models)
    return {
        "rows": len(test),
        "task": MULTI.task,
        **own,
        "baseline": of_baseline | {"classes": classes_of_baseline},
        "difference": differences["macro_f1"],
        "differences": differences,
        "intervals": {
            **_intervals(drawn[0], labels),
            "baseline": _intervals(drawn[1], labels),
            "difference": intervals["macro_f1"],
            "differences": intervals,
        },
        "resampled": {"by": section.group or "row", "units": int(groups.max()) + 1, "times": section.resamples},
        "reliability": _reliability(models[0], section, seed),
        "slices": slices(test, wrong, wrong_baseline, section.slices, seed),
        "decisions": None,
        "labels_not_in_train": lacking,
        "classes": {name: its | {"train_rows": rows_by_label[name]} for name, its in classes.items()},
        "confusion": None,
    }


def _predictions(test: pa.Table, scored: pa.Table, labels: list[str]) -> Predictions:
    never = np.zeros(len(scored))  # of a label that train lacks
    names = [f"probability_{label}" for label in labels]
    columns = [scored[name].to_numpy() if name in scored.column_names else never for name in names]
    truth, given = (MULTI.holds(column.to_pylist(), labels) for column in (test["label"], scored["prediction"]))
    return Predictions(truth, given, np.column_stack(columns))


def _drawn(measures: Measures, groups: Counts, seed: int, times: int) -> dict[str, Floats]:
    """The measures under the same resamples for every model, [times, …]."""
    found = [measures.resampled(weights) for weights in resampled(groups, seed, times)]
    return {name: np.array([each[name] for each in found]) for name in found[0]}


def _overall(measured: Mapping[str, Floats]) -> dict[str, float]:
    """Those that are defined."""
    return {name: float(measured[name]) for name in OVERALL if not np.isnan(measured[name])}


def _intervals(drawn: Mapping[str, Floats], labels: list[str]) -> dict[str, object]:
    return model_intervals({name: values for name, values in drawn.items() if name != "average_precision"}, labels)


def _classes(measured: Mapping[str, Floats], labels: list[str], support: list[int]) -> dict[str, dict[str, Any]]:
    average = measured["average_precision"]
    return {
        label: {name: float(measured[name][k]) for name in PER_CLASS}
        | {"average_precision": None if np.isnan(average[k]) else float(average[k]), "support": support[k]}
        for k, label in enumerate(labels)
    }


def _reliability(predictions: Predictions, section: Params, seed: int) -> dict[str, Any]:
    """Of (row, label) pairs, by the probability of the label."""
    share, there = predictions.probability.ravel(), predictions.truth.ravel()
    places = np.unique(np.linspace(0, len(share) - 1, min(len(share), MAX_PAIRS)).astype(np.int64))
    return diagram(share[places], there[places], section.calibration_bins, seed, section.resamples)
