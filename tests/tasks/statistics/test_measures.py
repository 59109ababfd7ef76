"""Measures equal scikit-learn's, and resampling cells is resampling rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from tasks.statistics.measures import cells, group_numbers, interval

LABELS = ["a", "b", "c"]
rows = st.lists(st.tuples(*[st.sampled_from(LABELS)] * 3), min_size=1, max_size=40)


@pytest.mark.proof
@given(rows)
def test_measures_equal_those_of_scikit_learn(rows):
    truth, *models = zip(*rows, strict=True)
    counted = cells(LABELS, truth, *models)
    for number, said in enumerate(models):
        now = counted.counts[None]
        assert counted.accuracy(number, now)[0] == pytest.approx(accuracy_score(truth, said))
        expected = f1_score(truth, said, labels=LABELS, average=None, zero_division=np.nan)
        assert counted.f1(number, now)[0] == pytest.approx(expected, nan_ok=True)
        assert counted.macro_f1(number, now)[0] == pytest.approx(f1_score(truth, said, average="macro"))


@pytest.mark.proof
def test_resampling_cells_is_the_bootstrap_over_rows():
    random = np.random.default_rng(1)
    truth = random.choice(LABELS, 200, p=[0.6, 0.3, 0.1])
    models = [np.where(random.random(200) < skill, truth, random.choice(LABELS, 200)) for skill in (0.9, 0.7)]
    counted = cells(LABELS, truth, *models)
    draws = counted.resampled(5, 600)
    ours = counted.macro_f1(0, draws) - counted.macro_f1(1, draws)
    picks = random.integers(0, 200, (600, 200))
    naive = np.array([np.subtract(*(f1_score(truth[p], m[p], average="macro") for m in models)) for p in picks])
    assert ours.mean() == pytest.approx(naive.mean(), abs=0.005)
    assert interval(ours) == pytest.approx(interval(naive), abs=0.015)


def test_a_resample_that_lacks_a_label_keeps_its_score_on_all_rows():
    counted = cells(LABELS, ["a", "b", "c", "a"], ["a", "a", "c", "a"])
    lacking = counted.counts * (counted.truth != 1)  # no b
    assert counted.macro_f1(0, lacking[None])[0] == 1
    assert counted.macro_f1(0, lacking[None], resample=True)[0] == pytest.approx((1 + 0 + 1) / 3)


def test_the_same_seed_gives_the_same_draws():
    counted = cells(LABELS, ["a", "b", "c", "a"], ["a", "b", "b", "a"])
    assert np.array_equal(counted.resampled(3), counted.resampled(3))
    assert not np.array_equal(counted.resampled(3), counted.resampled(4))
    assert (counted.resampled(3).sum(axis=1) == 4).all()


def test_rows_of_one_value_share_a_number_and_rows_without_one_have_their_own():
    assert group_numbers(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]
