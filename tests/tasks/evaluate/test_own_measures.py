"""Your own measures: found by name, resampled like the others, refused where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from tasks.core.errors import UserError
from tasks.evaluate import MEASURES, bootstrap
from tasks.evaluate.own_measures import OwnMeasures, load_measures
from tasks.evaluate.weighted import Predictions

LABELS = ["ham", "spam", "virus"]


@pytest.fixture
def predictions():
    random = np.random.default_rng(0)
    truth, probability = random.integers(3, size=200), random.dirichlet([1, 1, 1], size=200)
    return Predictions(truth, probability.argmax(axis=1), probability)


def accuracy(truth, predicted, probability, labels):
    return accuracy_score(truth, predicted)


def cost(truth, predicted, probability, labels):
    """A ham that is called spam costs 10, any other mistake 1; by the probabilities, to use them too."""
    assert probability.shape == (len(truth), len(labels))
    price = np.where((truth == "ham") & (predicted == "spam"), 10.0, 1.0)
    return np.mean(np.where(truth == predicted, 0.0, price))


def test_the_committed_example_is_what_it_says():
    measures = load_measures(["balanced_accuracy"], MEASURES)
    truth, predicted = np.array(["a", "a", "a", "b"], object), np.array(["a", "a", "b", "b"], object)
    found = measures["balanced_accuracy"](truth, predicted, np.eye(2)[[0, 0, 1, 1]], ["a", "b"])
    assert found == balanced_accuracy_score(truth, predicted) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.proof
def test_an_own_measure_has_the_figure_and_interval_of_the_same_measure_built_in(predictions):
    own = OwnMeasures({"mine": accuracy, "cost": cost}, predictions, LABELS)
    groups = np.arange(200) // 2
    (drawn,) = bootstrap.resampled_measures([predictions], groups, 7, 100, 15, [own])
    assert drawn["mine"].tolist() == pytest.approx(drawn["accuracy"].tolist())
    intervals = bootstrap.model_intervals(drawn, LABELS)
    assert intervals["mine"] == intervals["accuracy"] and list(intervals)[-1] == "classes"
    low, high = intervals["cost"]
    assert low < own.figures()["cost"] < high


def test_without_own_measures_nothing_changes(predictions):
    plain, none = (
        bootstrap.resampled_measures([predictions], np.arange(200), 7, 20, 15, own)
        for own in ((), [OwnMeasures({}, predictions, LABELS)])
    )
    assert {name: values.tolist() for name, values in plain[0].items()} == {
        name: values.tolist() for name, values in none[0].items()
    }


def test_a_resample_that_leaves_a_measure_undefined_is_left_out(predictions):
    def undefined(truth, predicted, probability, labels):
        return float("nan") if truth[0] == truth[1] else 0.5

    drawn = bootstrap.resampled_measures(
        [predictions], np.arange(200), 7, 50, 15, [OwnMeasures({"mine": undefined}, predictions, LABELS)]
    )[0]["mine"]
    assert np.isnan(drawn).any() and bootstrap.percentile_interval(drawn) == [0.5, 0.5]


def test_what_does_not_fit_is_refused_by_name(tmp_path, predictions):
    file = tmp_path / "measures.py"
    with pytest.raises(UserError, match=r"measures.py does not exist: define mine in it"):
        load_measures(["mine"], file)
    file.write_text("def mine(*columns):\n    return 1.0\n\ndef rows(*columns):\n    return 1.0\n")
    assert load_measures(["mine"], file)["mine"]() == 1.0
    with pytest.raises(UserError, match="defines no function 'other'"):
        load_measures(["other"], file)
    for name in ("rows", "accuracy"):
        with pytest.raises(UserError, match=f"has a key '{name}' already: rename the function"):
            load_measures([name], file)
    assert load_measures([], tmp_path / "missing.py") == {}
    with pytest.raises(UserError, match="mine is inf on the test rows: return a finite number"):
        OwnMeasures({"mine": lambda *columns: float("inf")}, predictions, LABELS).figures()
