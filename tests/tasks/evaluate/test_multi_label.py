"""The figures of rows that may have several labels: equal to scikit-learn's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from tasks.dataset.labels import MULTI
from tasks.evaluate import Params, Slices
from tasks.evaluate.__main__ import evaluate, summary
from tasks.evaluate.multi_label import Measures, Predictions
from tasks.modelling.targets.multi_label import MULTI_LABEL

LABELS = ["food", "money", "sport"]


def predictions(rows=200, seed=0):
    random = np.random.default_rng(seed)
    truth = random.random((rows, 3)) < (0.5, 0.3, 0.1)
    probability = np.clip(truth * 0.4 + random.random((rows, 3)) * 0.6, 0.01, 0.99)
    return Predictions(truth, probability >= 0.5, probability)


def by_scikit_learn(found, weight=None):
    truth, given, probability = found.truth, found.given, found.probability
    options = {"sample_weight": weight}
    return {
        "accuracy": metrics.accuracy_score(truth, given, **options),
        "micro_f1": metrics.f1_score(truth, given, average="micro", **options),
        "macro_f1": metrics.f1_score(truth, given, average="macro", **options),
        "mean_average_precision": metrics.average_precision_score(truth, probability, average="macro", **options),
        "roc_auc": metrics.roc_auc_score(truth, probability, average="macro", **options),
        "log_loss": np.mean([metrics.log_loss(truth[:, k], probability[:, k], **options) for k in range(3)]),
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_every_measure_is_scikit_learns(weighted):
    found = predictions()
    weight = np.random.default_rng(1).integers(0, 4, 200) if weighted else np.ones(200, np.int64)
    own = Measures(found, 10).weighted(weight)
    for name, value in by_scikit_learn(found, weight).items():
        assert float(own[name]) == pytest.approx(value), name
    columns = metrics.precision_recall_fscore_support(found.truth, found.given, sample_weight=weight)
    for name, column in zip(("precision", "recall", "f1"), columns, strict=False):
        assert own[name] == pytest.approx(column)


def test_a_label_that_no_row_has_counts_where_it_is_given_and_nowhere_else():
    found = predictions()
    absent = Predictions(found.truth & [True, True, False], found.given & [True, True, False], found.probability)
    own = Measures(absent, 10).weighted(np.ones(200, np.int64))
    assert float(own["macro_f1"]) == pytest.approx(
        metrics.f1_score(absent.truth[:, :2], absent.given[:, :2], average="macro")
    )
    given = Predictions(absent.truth, found.given, found.probability)
    assert float(Measures(given, 10).weighted(np.ones(200, np.int64))["macro_f1"]) == pytest.approx(
        metrics.f1_score(given.truth, given.given, average="macro", zero_division=0)
    )


def table(found):
    cells = MULTI_LABEL.answers(found.probability, LABELS, None)
    columns = {f"probability_{label}": found.probability[:, k] for k, label in enumerate(LABELS)}
    ids = [f"r{i}" for i in range(len(cells))]
    return pa.table({"id": ids, "prediction": cells, "confidence": np.ones(len(cells)), **columns, "decision": cells})


@pytest.fixture(scope="module")
def figures():
    own, others = predictions(), predictions(seed=2)
    others = Predictions(own.truth, others.given, others.probability)
    cells = [MULTI.cell(label for label, has in zip(LABELS, row, strict=True) if has) for row in own.truth]
    cells[0] = MULTI.cell([*MULTI.labels(cells[0]), "unheard of"])
    rows = {"id": [f"r{i}" for i in range(200)], "text": [f"word{i % 7} text" for i in range(200)], "label": cells}
    test = pa.table(rows).append_column("timestamp", pa.nulls(200, pa.timestamp("us", tz="UTC")))
    splits = {"train": test.select(["label"]), "validation": test.select(["id"]).slice(0, 0), "test": test}
    section = Params(resamples=100, slices=Slices(permutations=100))
    splits["train"] = test.slice(1).select(["label"])
    return own, evaluate(splits, table(own), table(others), section, 7, cells=MULTI)


def test_each_figure_has_its_interval_and_stands_beside_the_baseline(figures):
    own, found = figures
    expected = by_scikit_learn(own)
    for name in expected:
        low, high = found["intervals"][name]
        assert low <= found[name] <= high
        assert found["differences"][name] == pytest.approx(found[name] - found["baseline"][name])
    assert found["difference"] == found["differences"]["macro_f1"] > 0.2
    assert set(summary(found)) >= {"macro_f1", "micro_f1", "accuracy", "baseline_macro_f1", "calibration_error"}


def test_a_label_that_train_lacks_counts_as_wrong(figures):
    _, found = figures
    assert found["classes"]["unheard of"]["recall"] == 0 and found["classes"]["unheard of"]["support"] == 1
    assert found["confusion"] is None and found["decisions"] is None
