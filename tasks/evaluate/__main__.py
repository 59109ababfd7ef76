"""Write ``metrics/evaluate.json`` and ``metrics/summary.json``: ``python -m tasks.evaluate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from threadpoolctl import threadpool_limits

from tasks.behaviour import BEHAVIOUR, read_behaviour_tests
from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import private_folder, write_metrics
from tasks.core.rows import Modality, modality
from tasks.core.tables import columns_of, in_order_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import SINGLE, LabelFormat, label_format
from tasks.evaluate import BEHAVIOUR_FAILED, SUMMARY, Params, bootstrap, multi_label, ordinal
from tasks.evaluate.behaviour_results import behaviour_results
from tasks.evaluate.decisions import decision_results
from tasks.evaluate.own_measures import TAKEN, Further, Measure, OwnMeasures, Together, load_measures
from tasks.evaluate.probabilities import probability_measures
from tasks.evaluate.reliability import reliability
from tasks.evaluate.slices import slices
from tasks.evaluate.weighted import Predictions
from tasks.statistics.measures import Counts, group_numbers
from tasks.tables.delimited import write_delimited

Splits = Mapping[str, pa.Table]


def evaluate(
    splits: Splits,
    scored: pa.Table,
    baseline: pa.Table,
    section: Params,
    seed: int,
    measures: Mapping[str, Measure] | None = None,
    cells: LabelFormat = SINGLE,
) -> dict[str, Any]:
    """Every figure of the test rows; ``scored`` and ``baseline``, what the model and the baseline say, hold them and
    the validation rows, in any order, and no others.

    ``measures``: your own, by name. ``cells``: how labels are written.
    """
    test, scored, baseline = splits["test"], test_scores(scored, splits), test_scores(baseline, splits)
    trained = labels_of(scored)
    if cells.several:
        groups = _groups(test, section.group)
        return multi_label.figures(splits["train"], test, (scored, baseline), trained, groups, section, seed)
    lacking = Counter(label for label in test["label"].to_pylist() if label not in set(trained))
    labels = cells.in_order([*trained, *lacking]) if cells.ordered else [*trained, *sorted(lacking)]
    models = [_predictions(test, table, labels) for table in (scored, baseline)]
    further = [_further(predictions, labels, measures or {}, cells) for predictions in models]
    bins, groups = section.calibration_bins, _groups(test, section.group)
    drawn = bootstrap.resampled_measures(models, groups, seed, section.resamples, bins, further)
    figures, of_baseline = (_figures(*each, labels, bins) for each in zip(models, further, strict=True))
    wrong, wrong_baseline = (predictions.predicted != predictions.truth for predictions in models)
    shared = [name for name in figures if name != "classes" and name in of_baseline]
    differences = {name: figures[name] - of_baseline[name] for name in shared}
    intervals = {name: bootstrap.percentile_interval(drawn[0][name] - drawn[1][name]) for name in shared}
    return {
        "rows": len(test),
        **({"task": cells.task} if cells.ordered else {}),
        **{name: figures[name] for name in shared},
        "baseline": of_baseline,
        "difference": differences["macro_f1"],
        "differences": differences,
        "intervals": {
            **bootstrap.model_intervals(drawn[0], labels),
            "baseline": bootstrap.model_intervals(drawn[1], labels),
            "difference": intervals["macro_f1"],
            "differences": intervals,
        },
        "resampled": {"by": section.group or "row", "units": int(groups.max()) + 1, "times": section.resamples},
        "reliability": reliability(models[0].truth, models[0].probability, bins, seed, section.resamples),
        "slices": slices(test, wrong, wrong_baseline, section.slices, seed),
        "decisions": decision_results(test["label"].to_pylist(), scored["decision"], labels),
        "labels_not_in_train": dict(sorted(lacking.items())),
        "classes": _with_train_rows(figures["classes"], splits["train"]["label"].to_pylist()),
        "confusion": {"labels": labels, "counts": _confusion(models[0], len(labels))},
    }


def labels_of(scored: pa.Table) -> list[str]:
    """The labels of the model that a table was scored by, in its order."""
    return [name.removeprefix("probability_") for name in scored.column_names if name.startswith("probability_")]


def _predictions(test: pa.Table, scored: pa.Table, labels: list[str]) -> Predictions:
    """What one model predicted of the test rows, ``scored`` in their order."""
    never = np.zeros(len(scored))  # of a label that train lacks
    columns = (f"probability_{label}" for label in labels)
    probability = np.column_stack(
        [scored[name].to_numpy() if name in scored.column_names else never for name in columns]
    )
    return Predictions(_numbers(test["label"], labels), _numbers(scored["prediction"], labels), probability)


def _numbers(column: pa.ChunkedArray, labels: list[str]) -> Counts:
    numbers = {label: number for number, label in enumerate(labels)}
    return np.array([numbers[label] for label in column.to_pylist()], np.int64)


def _groups(test: pa.Table, column: str | None) -> Counts:
    """The number of each row's group [rows]: each row its own, or that of the rows that share its value."""
    if column is None:
        return np.arange(len(test))
    if column not in test.column_names:
        raise UserError(f"evaluate.group: the rows have no column {column!r}; they have {', '.join(test.column_names)}")
    return group_numbers(test[column].to_pylist())


def test_scores(scored: pa.Table, splits: Splits) -> pa.Table:
    """The scores of the test rows, in their order."""
    held_out = pa.chunked_array([chunk for name in layout.SCORED_SPLITS for chunk in splits[name]["id"].chunks])
    for what, ids, known in (
        ("held-out rows have no score", held_out, scored["id"]),
        ("scores are of no held-out row", scored["id"], held_out),
    ):
        missing = ids.filter(pc.invert(pc.is_in(ids, value_set=known)))
        if len(missing):
            raise UserError(
                f"{len(missing)} {what}, {pc.min(missing).as_py()!r} for one: run `dvc repro` to score these splits"
            )
    if repeated := len(scored) - len(pc.unique(scored["id"])):
        raise UserError(f"{repeated} scores are of a row that has one already: run `dvc repro`")
    return in_order_of(scored, splits["test"]["id"])


def _with_train_rows(classes: dict[str, dict[str, float]], train: list[str]) -> dict[str, dict[str, float]]:
    """The figures of each label and on how many train rows they rest; ``support`` is its test rows."""
    rows = Counter(train)
    return {label: {**figures, "train_rows": rows[label]} for label, figures in classes.items()}


def _further(predictions: Predictions, labels: list[str], own: Mapping[str, Measure], cells: LabelFormat) -> Further:
    """The measures that the task has beside the built-in ones, and your own."""
    of_task = [ordinal.Measures(predictions, cells.steps(labels))] if cells.ordered else []
    return Together([*of_task, OwnMeasures(own, predictions, labels)])


def _figures(predictions: Predictions, further: Further, labels: list[str], bins: int) -> dict[str, Any]:
    """The measures on the rows as they are, and those of each label."""
    truth, predicted = predictions.truth, predictions.predicted
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro")),
        **probability_measures(truth, predictions.probability, bins),
        **further.figures(),
        "classes": _by_class(predictions, labels),
    }


def _confusion(predictions: Predictions, classes: int) -> list[list[int]]:
    counts: list[list[int]] = confusion_matrix(predictions.truth, predictions.predicted, labels=range(classes)).tolist()
    return counts


def _by_class(predictions: Predictions, labels: list[str]) -> dict[str, dict[str, float]]:
    columns = precision_recall_fscore_support(
        predictions.truth, predictions.predicted, labels=range(len(labels)), zero_division=0
    )
    names = ("precision", "recall", "f1", "support")
    return {
        label: {
            name: float(column[i]) if name != "support" else int(column[i])
            for name, column in zip(names, columns, strict=True)
        }
        for i, label in enumerate(labels)
    }


def _behaviour(labels: list[str], kind: Modality, cells: LabelFormat) -> list[dict[str, Any]]:
    """The results of the behavioural tests, which are of texts of one label; the texts that failed are written."""
    tried = read_table(layout.window("reference").behaviour)
    tests = read_behaviour_tests(BEHAVIOUR) if kind == "text" and not cells.several else ()
    results, failed = behaviour_results(tests, tried, labels)
    write_delimited(failed, BEHAVIOUR_FAILED, guarded=True)
    return results


def summary(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers by which runs are compared at a glance."""
    low, high = figures["intervals"]["macro_f1"]
    micro = {"micro_f1": figures["micro_f1"]} if "micro_f1" in figures else {}
    of_order = ordinal.OF_SUMMARY if figures.get("task") == "ordinal" else ()
    return {
        "test_rows": figures["rows"],
        "accuracy": figures["accuracy"],
        **micro,
        "macro_f1": figures["macro_f1"],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "baseline_macro_f1": figures["baseline"]["macro_f1"],
        "calibration_error": figures["calibration_error"],
        "log_loss": figures["log_loss"],
        **{name: figures[name] for name in of_order if name in figures},
    }


def main() -> None:
    """Run the stage on the repository's paths."""
    kind, written = modality(columns_of(layout.split("train"))), label_format()
    private_folder(paths.REPORTS)
    splits = {
        "train": read_table(layout.split("train"), ["label"]),
        "validation": read_table(layout.split("validation"), ["id"]),
        "test": read_table(layout.split("test")),
    }
    files, section = layout.window("reference"), params.load(Params, "evaluate")
    scored, baseline = read_table(files.scored), read_table(files.baseline)
    with threadpool_limits(1):  # else the last digits depend on how many cores there are
        own = load_measures(section.measures, taken=(*TAKEN, *ordinal.OVERALL) if written.ordered else TAKEN)
        figures = evaluate(splits, scored, baseline, section, params.general().seed, own, written)
    write_metrics({**figures, "behaviour": _behaviour(labels_of(scored), kind, written)}, paths.metrics("evaluate"))
    write_metrics(summary(figures), SUMMARY)
    low, high = figures["intervals"]["macro_f1"]
    if missing := figures["slices"].get("missing_columns"):
        print(f"evaluate.slices.columns: the rows have no column {', '.join(map(repr, missing))}: take it out of there")
    if lacking := figures["labels_not_in_train"]:
        rows = sum(lacking.values())
        print(
            f"labels that train lacks: {len(lacking)}, on {rows} test rows, which count as wrong: label more rows of "
            "them, or set split.stratify: true"
        )
    for name in [name for name in ordinal.OF_SUMMARY if written.ordered and name in figures]:
        print(f"{name.replace('_', ' ')} {figures[name]:.4f}, baseline {figures['baseline'][name]:.4f}")
    print(f"macro-F1 {figures['macro_f1']:.4f} [{low:.4f}, {high:.4f}], baseline {figures['baseline']['macro_f1']:.4f}")


if __name__ == "__main__":
    run(main)
