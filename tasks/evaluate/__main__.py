"""Write ``metrics/evaluate.json``: ``python -m tasks.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tasks import params, paths
from tasks.artefacts import read_table, write_json
from tasks.cli import run
from tasks.errors import Refused
from tasks.evaluate import Params
from tasks.evaluate.baseline import baseline_predictions
from tasks.evaluate.probabilities import of_probabilities
from tasks.measures import Cells, cells, interval

Splits = Mapping[str, pa.Table]

MODEL, BASELINE = 0, 1


def evaluate(splits: Splits, scored: pa.Table, section: Params, seed: int) -> dict[str, Any]:
    """Every figure of the test rows; ``scored`` holds them and the validation rows, in any order, and no others."""
    train, test = splits["train"], splits["test"]
    scored = of_test(scored, splits)
    truth, said = test["label"].to_pylist(), scored["prediction"].to_pylist()
    labels = [name.removeprefix("probability_") for name in scored.column_names if name.startswith("probability_")]
    _refuse_unknown(truth, labels)
    base = baseline_predictions(train["text"].to_pylist(), train["label"].to_pylist(), test["text"].to_pylist(), seed)
    counted = cells(labels, truth, said, base)
    probability = np.column_stack([scored[f"probability_{label}"].to_numpy() for label in labels])
    numbers = np.array([labels.index(label) for label in truth])
    return {
        "rows": len(test),
        **_figures(counted, MODEL),
        **of_probabilities(numbers, probability, section.calibration_bins),
        "baseline": _figures(counted, BASELINE),
        "difference": _figures(counted, MODEL)["macro_f1"] - _figures(counted, BASELINE)["macro_f1"],
        "intervals": _intervals(counted, seed, section.resamples),
        "classes": _by_class(truth, said, labels),
        "confusion": {"labels": labels, "counts": confusion_matrix(truth, said, labels=labels).tolist()},
    }


def of_test(scored: pa.Table, splits: Splits) -> pa.Table:
    """The scores of the test rows, in their order."""
    place = {key: i for i, key in enumerate(scored["id"].to_pylist())}
    expected = [key for name in paths.SCORED_SPLITS for key in splits[name]["id"].to_pylist()]
    for what, ids in (
        ("held-out rows have no score", set(expected) - place.keys()),
        ("scores are of no held-out row", place.keys() - set(expected)),
    ):
        if ids:
            raise Refused(f"{len(ids)} {what}, {min(ids)!r} for one: run `dvc repro` to score these splits")
    if len(place) != len(scored):
        raise Refused(f"{len(scored) - len(place)} scores are of a row that has one already: run `dvc repro`")
    return scored.take([place[key] for key in splits["test"]["id"].to_pylist()])


def _refuse_unknown(truth: list[str], labels: list[str]) -> None:
    unknown = sorted(set(truth) - set(labels))
    if unknown:
        raise Refused(f"test rows are labelled {', '.join(unknown)}, which the model was not trained on ({labels})")


def _figures(counted: Cells, model: int) -> dict[str, float]:
    now = counted.counts[None]
    return {
        "accuracy": float(counted.accuracy(model, now)[0]),
        "macro_f1": float(counted.macro_f1(model, now)[0]),
    }


def _intervals(counted: Cells, seed: int, resamples: int) -> dict[str, Any]:
    """95 % percentile bootstrap intervals; ``difference`` is the model's macro-F1 minus the baseline's, paired."""
    draws = counted.resampled(seed, resamples)
    f1 = [counted.macro_f1(model, draws) for model in (MODEL, BASELINE)]
    return {
        "accuracy": interval(counted.accuracy(MODEL, draws)),
        "macro_f1": interval(f1[MODEL]),
        "baseline": {"accuracy": interval(counted.accuracy(BASELINE, draws)), "macro_f1": interval(f1[BASELINE])},
        "difference": interval(f1[MODEL] - f1[BASELINE]),
    }


def _by_class(truth: list[str], said: list[str], labels: list[str]) -> dict[str, dict[str, float]]:
    columns = precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {
        label: {
            name: float(column[i]) if name != "support" else int(column[i])
            for name, column in zip(names, columns, strict=True)
        }
        for i, label in enumerate(labels)
    }


def main() -> None:
    """Run the stage on the repository's paths."""
    splits = {
        "train": read_table(paths.split("train"), ["text", "label"]),
        "validation": read_table(paths.split("validation"), ["id"]),
        "test": read_table(paths.split("test"), ["id", "text", "label"]),
    }
    scored = read_table(paths.window("reference").scored)
    figures = evaluate(splits, scored, params.load(Params, "evaluate"), params.general().seed)
    write_json(figures, paths.metrics("evaluate"))
    low, high = figures["intervals"]["macro_f1"]
    print(f"macro-F1 {figures['macro_f1']:.4f} [{low:.4f}, {high:.4f}], baseline {figures['baseline']['macro_f1']:.4f}")


if __name__ == "__main__":
    run(main)
