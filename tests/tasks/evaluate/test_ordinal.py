"""How far off predictions are where labels have an order: equal to scikit-learn's, and only there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from tasks.core.errors import UserError
from tasks.dataset.labels import SINGLE, LabelFormat
from tasks.evaluate import Params, Slices
from tasks.evaluate.__main__ import evaluate, summary
from tasks.evaluate.ordinal import OVERALL, Measures
from tasks.evaluate.own_measures import TAKEN, load_measures
from tasks.evaluate.weighted import Predictions

LABELS = ["poor", "fair", "good", "great"]
SECTION = Params(resamples=100, slices=Slices(permutations=100))


def predictions(rows=200, seed=0, classes=4):
    """Answers that are mostly right, and else one or two steps off."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=rows)
    off = random.choice([-2, -1, 0, 0, 0, 1], rows)
    given = np.clip(truth + off, 0, classes - 1)
    probability = np.full((rows, classes), 0.1)
    probability[np.arange(rows), given] = 1 - 0.1 * (classes - 1)
    return Predictions(truth, given, probability)


def by_scikit_learn(truth, given, scale, weight=None):
    return {
        "mean_absolute_error": mean_absolute_error(truth, given, sample_weight=weight),
        "quadratic_kappa": cohen_kappa_score(
            truth, given, labels=range(scale), weights="quadratic", sample_weight=weight
        ),
        "within_one_step": np.average(abs(truth - given) <= 1, weights=weight),
    }


@pytest.mark.parametrize("steps", [[0, 1, 2, 3], [0, 2, 3, 7]])
@pytest.mark.parametrize("seed", range(3))
def test_every_measure_is_scikit_learns_weighted_or_not(seed, steps):
    found, places = predictions(seed=seed), np.array(steps)
    own, truth, given = Measures(found, places), places[found.truth], places[found.predicted]
    assert own.figures() == pytest.approx(by_scikit_learn(truth, given, 8))
    weight = np.random.default_rng(seed).integers(0, 4, 200)
    weighted = {name: float(value) for name, value in own.weighted(weight).items()}
    assert weighted == pytest.approx(by_scikit_learn(truth, given, 8, weight))
    assert set(weighted) == set(OVERALL)


def test_what_is_further_off_counts_for_more_and_another_order_gives_another_figure():
    near, far = (Predictions(np.array([0, 1, 2]), np.array([0, 1, to]), np.eye(3)) for to in (1, 0))
    near, far = (Measures(one, np.arange(3)).figures() for one in (near, far))
    assert (near["mean_absolute_error"], far["mean_absolute_error"]) == pytest.approx((1 / 3, 2 / 3))
    assert near["quadratic_kappa"] > far["quadratic_kappa"]
    assert (near["within_one_step"], far["within_one_step"]) == pytest.approx((1, 2 / 3))
    found = predictions()
    straight, turned = (Measures(found, np.array(steps)).figures() for steps in ([0, 1, 2, 3], [3, 2, 1, 0]))
    assert straight == pytest.approx(turned)
    assert Measures(found, np.array([0, 3, 1, 2])).figures()["mean_absolute_error"] != straight["mean_absolute_error"]


def test_kappa_is_not_defined_where_all_is_one_label():
    one = Predictions(np.ones(5, np.int64), np.ones(5, np.int64), np.eye(3)[np.ones(5, int)])
    found = Measures(one, np.arange(3))
    assert found.figures() == {"mean_absolute_error": 0, "within_one_step": 1}
    assert np.isnan(found.weighted(np.ones(5, np.int64))["quadratic_kappa"])


def table(found, labels=LABELS):
    cells = [labels[i] for i in found.predicted]
    columns = {f"probability_{label}": found.probability[:, k] for k, label in enumerate(labels)}
    ids = [f"r{i}" for i in range(len(cells))]
    return pa.table(
        {"id": ids, "prediction": cells, "confidence": np.full(len(cells), 0.7), **columns, "decision": cells}
    )


def splits(truth):
    rows = {"id": [f"r{i}" for i in range(len(truth))], "text": [f"word{i % 7} text" for i in range(len(truth))]}
    test = pa.table(rows | {"label": truth}).append_column(
        "timestamp", pa.nulls(len(truth), pa.timestamp("us", tz="UTC"))
    )
    return {"train": test.select(["label"]), "validation": test.select(["id"]).slice(0, 0), "test": test}


@pytest.fixture(scope="module")
def judged():
    """The figures by task, of rows of which one has a label that the model does not know."""
    own, others = predictions(), predictions(seed=2)
    others = Predictions(own.truth, others.predicted, others.probability)
    truth = [LABELS[i] for i in own.truth]
    truth[0] = "dire"  # below all, first in the order and last in the alphabet of those that train lacks
    formats = {"single_label": SINGLE, "ordinal": LabelFormat("ordinal", ("dire", *LABELS))}
    found = {
        task: evaluate(splits(truth), table(own), table(others), SECTION, 7, cells=cells)
        for task, cells in formats.items()
    }
    return own, found


def test_each_measure_has_its_interval_and_stands_beside_the_baseline(judged):
    own, by_task = judged
    found = by_task["ordinal"]
    truth, given = own.truth + 1, own.predicted + 1
    truth[0] = 0
    assert {name: found[name] for name in OVERALL} == pytest.approx(by_scikit_learn(truth, given, 5))
    for name in OVERALL:
        low, high = found["intervals"][name]
        assert low <= found[name] <= high and low < high
        assert found["differences"][name] == pytest.approx(found[name] - found["baseline"][name])
        assert found["intervals"]["differences"][name][0] < found["intervals"]["differences"][name][1]
    assert found["task"] == "ordinal"
    assert summary(found)["quadratic_kappa"] == found["quadratic_kappa"]
    assert summary(found)["mean_absolute_error"] == found["mean_absolute_error"]


def test_the_confusion_matrix_and_the_classes_are_in_the_labels_order(judged):
    _, by_task = judged
    found = by_task["ordinal"]
    assert found["confusion"]["labels"] == list(found["classes"]) == ["dire", *LABELS]
    assert sum(found["confusion"]["counts"][0]) == 1 and found["labels_not_in_train"] == {"dire": 1}
    assert by_task["single_label"]["confusion"]["labels"] == [*LABELS, "dire"]


def test_one_label_without_an_order_has_the_same_figures_and_none_of_these(judged):
    _, by_task = judged
    single, ordinal = by_task["single_label"], by_task["ordinal"]
    assert not {*OVERALL, "task"} & {*single, *single["intervals"], *single["baseline"], *summary(single)}
    shared = ("accuracy", "macro_f1", "log_loss", "roc_auc", "calibration_error", "slices", "decisions", "classes")
    assert {name: single[name] for name in shared} == {name: ordinal[name] for name in shared}
    assert single["intervals"]["macro_f1"] == ordinal["intervals"]["macro_f1"]


def test_an_own_measure_of_that_name_is_refused_where_labels_have_an_order(tmp_path):
    file = tmp_path / "measures.py"
    file.write_text("def quadratic_kappa(*columns):\n    return 1.0\n")
    assert load_measures(["quadratic_kappa"], file)
    with pytest.raises(UserError, match="has a key 'quadratic_kappa' already"):
        load_measures(["quadratic_kappa"], file, (*TAKEN, *OVERALL))
