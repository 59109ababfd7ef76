"""Measures under weights are scikit-learn's, and resamples draw what they say: rows, or whole groups of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from tasks.evaluate import bootstrap
from tasks.evaluate.probabilities import probability_measures
from tasks.evaluate.weighted import Measures, Predictions, Ranked


def predictions(rows, classes, seed, digits=6):
    """A fair model; few ``digits`` make ties."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    raw = np.round(random.dirichlet(np.ones(classes), rows) + 0.7 * np.eye(classes)[truth], digits) + 1e-3
    probability = raw / raw.sum(axis=1, keepdims=True)
    return Predictions(truth, probability.argmax(axis=1), probability)


@pytest.mark.proof
@pytest.mark.parametrize(("classes", "digits"), [(2, 6), (2, 1), (5, 6), (5, 1)])
def test_measures_equal_those_of_scikit_learn_with_sample_weight(classes, digits):
    given = predictions(160, classes, 1, digits)
    weights = np.random.default_rng(2).poisson(1.0, (6, 160))
    measures = Measures(given, 15)
    for weight in weights:
        found = measures.weighted(weight)
        by_weight = {"sample_weight": weight}
        assert found["accuracy"] == pytest.approx(accuracy_score(given.truth, given.predicted, **by_weight))
        assert found["macro_f1"] == pytest.approx(f1_score(given.truth, given.predicted, average="macro", **by_weight))
        assert found["log_loss"] == pytest.approx(log_loss(given.truth, given.probability, **by_weight))
        for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            expected = function(given.truth, given.predicted, average=None, zero_division=0, **by_weight)
            assert found[name] == pytest.approx(expected)
        for name, area in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
            each = [area(given.truth == k, given.probability[:, k], **by_weight) for k in range(classes)]
            assert found[name] == pytest.approx(np.mean(each))
    once = measures.weighted(np.ones(160, int))
    assert once["calibration_error"] == pytest.approx(
        probability_measures(given.truth, given.probability, 15)["calibration_error"]
    )


@pytest.mark.parametrize("answers", ["never said", "perfect"])
def test_a_resample_that_lacks_a_label_says_nothing_of_it(answers):
    """Two of 200 rows are of label 1: one resample in seven has neither."""
    truth = np.r_[np.ones(2, int), np.zeros(198, int)]
    predicted = truth if answers == "perfect" else np.zeros(200, int)
    given = Predictions(truth, predicted, np.where(predicted[:, None] == np.arange(2), 0.9, 0.1))
    (drawn,) = bootstrap.resampled_measures([given], np.arange(200), 7, 400, 15)
    low, high = bootstrap.percentile_interval(drawn["macro_f1"])
    if answers == "perfect":
        assert (low, high) == (1, 1) and drawn["recall"].min() == drawn["roc_auc"].min() == 1
    else:
        whole = float(Measures(given, 15).weighted(np.ones(200, int))["macro_f1"])
        assert low <= whole <= high <= 0.5, "no model that never says 1 reaches more"
        assert drawn["f1"][:, 1].max() == 0 and drawn["roc_auc"].max() == 0.5


def test_an_area_without_rows_of_both_kinds_is_undefined():
    positive, score = np.array([True, False, False]), np.array([0.9, 0.2, 0.1])
    ranked = Ranked(positive, score)
    assert ranked.areas(np.array([1, 1, 1])) == (1.0, 1.0)
    undefined = np.array([ranked.areas(np.array(weights)) for weights in ([0, 2, 1], [3, 0, 0])])
    assert np.isnan(undefined).all()
    assert bootstrap.percentile_interval(undefined) is None


def test_every_resample_draws_as_many_groups_as_there_are_and_takes_them_whole():
    groups = np.array([0, 0, 0, 1, 2, 2])
    drawn = np.array(list(bootstrap.resampled(groups, 3, 50)))
    assert drawn.shape == (50, 6)
    assert (drawn[:, [0, 3, 4]].sum(axis=1) == 3).all()
    assert (drawn[:, 0] == drawn[:, 2]).all() and (drawn[:, 4] == drawn[:, 5]).all()


@pytest.mark.proof
def test_rows_that_repeat_each_other_widen_the_interval_only_when_drawn_as_groups():
    once = predictions(100, 2, 4)
    tenfold = Predictions(*(np.repeat(part, 10, axis=0) for part in (once.truth, once.predicted, once.probability)))

    def width(given, groups):
        low, high = bootstrap.percentile_interval(
            bootstrap.resampled_measures([given], groups, 1, 400, 15)[0]["accuracy"]
        )
        return high - low

    honest = width(once, np.arange(100))
    assert width(tenfold, np.repeat(np.arange(100), 10)) == pytest.approx(honest, rel=0.15)
    assert width(tenfold, np.arange(1000)) < 0.5 * honest
