"""Accuracy measured and estimated, the kinds of change told apart, and rows that should not be there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from tasks.drift import Params
from tasks.drift.estimates import (
    accuracy_under_label_shift,
    correct,
    estimated_accuracy,
    measured_accuracy,
)
from tasks.drift.performance import kind_of_change, performance
from tasks.drift.quality import quality
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.verdict import drift_verdict


def side(seed, rows, sure=6.0, spam=0.3, relabelled=0.0):
    """A model that is right a little less often than it says; ``relabelled``: the share of labels that are turned."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(sure, 1, size=rows) / 2 + 0.5
    label = np.where(rng.random(rows) < spam, "spam", "ham").astype(object)
    other = np.where(label == "ham", "spam", "ham").astype(object)
    prediction = np.where(rng.random(rows) < confidence**1.2, label, other).astype(object)
    label = np.where(rng.random(rows) < relabelled, other, label).astype(object)
    return Rows(rows, None, {"confidence": confidence}, {"prediction": prediction, "label": label})


def by_class(seed, rows, spam):
    """A model that finds nearly all ham and half the spam, always equally sure."""
    rng = np.random.default_rng(seed)
    label = np.where(rng.random(rows) < spam, "spam", "ham").astype(object)
    found = rng.random(rows) < np.where(label == "spam", 0.5, 0.97)
    prediction = np.where(found, label, np.where(label == "ham", "spam", "ham")).astype(object)
    return Rows(rows, None, {"confidence": rng.uniform(0.8, 1, rows)}, {"prediction": prediction, "label": label})


@pytest.mark.long
def test_the_estimate_follows_a_change_of_the_inputs_and_its_interval_holds():
    draws, held, errors, falls = 80, 0, [], []
    for draw in range(draws):
        reference, current = side([draw, 0], 800), side([draw, 1], 400, sure=3.0)
        cbpe, _ = estimated_accuracy(reference, current, draw)
        accuracy = correct(current).mean()
        held += cbpe.holds(accuracy)
        errors.append(abs(cbpe.value - accuracy))
        falls.append(correct(reference).mean() - accuracy)
    assert held >= binom.ppf(0.001, draws, 0.95)
    assert np.mean(errors) < 0.4 * np.mean(falls)


def test_measured_accuracy_is_the_share_with_wilsons_interval():
    label = np.array(["a"] * 50, dtype=object)
    prediction = np.array(["a"] * 40 + ["b"] * 10, dtype=object)
    found = measured_accuracy(Rows(50, categories={"prediction": prediction, "label": label}))
    assert found.value == 0.8
    assert (found.low, found.high) == pytest.approx((0.6696, 0.8876), abs=1e-4)  # statsmodels, proportion_confint
    groups = np.repeat([f"g{i}" for i in range(10)], 5).astype(object)
    wide = measured_accuracy(Rows(50, categories={"prediction": prediction, "label": label}, groups=groups))
    ten = measured_accuracy(Rows(10, categories={"prediction": prediction[::5], "label": label[::5]}))
    assert (wide.low, wide.high) == pytest.approx((ten.low, ten.high))


@pytest.mark.proof
def test_groups_widen_the_estimates_interval():
    once, now = side(1, 200), side(2, 100)
    copies = once.take(np.repeat(np.arange(200), 5))
    grouped = Rows(1000, None, copies.numbers, copies.categories, groups=np.repeat(np.arange(200), 5).astype(str))
    alone = Rows(100, None, now.numbers, now.categories, groups=np.arange(100).astype(str))
    errors = [estimated_accuracy(before, after, 7)[0].error for before, after in ((copies, now), (grouped, alone))]
    assert errors[1] > errors[0]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("before", "after", "concept"),
    [
        (side(1, 2000), side(2, 1000), False),
        (side(1, 2000), side(2, 1000, sure=2.0), False),
        (side(1, 2000), side(2, 1000, relabelled=0.15), True),
        (by_class(1, 2000, 0.2), by_class(2, 1000, 0.6), False),
    ],
    ids=["nothing", "inputs", "concept", "labels"],
)
def test_a_change_of_concept_is_one_that_neither_inputs_nor_labels_explain(before, after, concept):
    assert kind_of_change(before, after, {}, 7)["concept"] is concept


@pytest.mark.proof
def test_a_change_of_the_labels_shares_is_no_surprise_to_the_recalls():
    before, after = by_class(1, 3000, 0.2), by_class(2, 1500, 0.6)
    accuracy = correct(after).mean()
    assert accuracy_under_label_shift(before, after, 7).holds(accuracy)
    assert not estimated_accuracy(before, after, 7)[0].holds(accuracy)
    after.categories["label"][:5] = "virus"
    assert accuracy_under_label_shift(before, after, 7) is None


@pytest.mark.proof
def test_the_gate_watches_accuracy_and_says_which_kind_of_change_it_saw():
    params = Params(permutations=199)
    verdict = drift_verdict(side(1, 800), side(2, 600, relabelled=0.2), params, 7)
    assert verdict["signals"]["accuracy"]["alarm"] and verdict["signals"]["accuracy"]["where"] == "prediction = label"
    assert verdict["change"]["concept"] is True and verdict["change"]["covariate"] is None
    found = verdict["performance"]
    assert found["measured_accuracy"] == pytest.approx(verdict["signals"]["accuracy"]["current_share"], abs=1e-4)
    assert found["estimated_accuracy"] - found["error"] > found["measured_accuracy"]
    assert found["measured_over"] == "all rows"
    some = side(2, 600)
    some.categories["label"][::2] = None
    assert "however they were chosen" in performance(side(1, 800), some, 7)["measured_over"]


def test_without_labels_accuracy_is_estimated_and_nothing_more_is_claimed():
    now = side(2, 300)
    unlabelled = Rows(300, None, now.numbers, {"prediction": now.categories["prediction"]})
    found = performance(side(1, 500), unlabelled, 7)
    assert found["measured_accuracy"] is None and found["measured_rows"] == 0
    assert found["interval"][0] <= found["estimated_accuracy"] <= found["interval"][1]
    assert kind_of_change(side(1, 500), unlabelled, {}, 7) == {
        "covariate": None,
        "label": None,
        "concept": None,
        "accuracy_if_inputs_changed": None,
        "accuracy_if_labels_changed": None,
    }
    assert performance(unlabelled, unlabelled, 7)["estimated_accuracy"] is None


def test_atc_counts_the_current_rows_below_the_confidence_that_leaves_out_the_references_errors():
    def rows(confidence, wrong):
        label = np.full(len(confidence), "a", object)
        said = np.where(np.arange(len(confidence)) < wrong, "b", "a").astype(object)
        return Rows(len(confidence), None, {"confidence": np.array(confidence)}, {"prediction": said, "label": label})

    levels = [0.5, 0.6, 0.7, 0.8, 0.9]
    reference = rows(np.repeat(levels, 20), wrong=20)  # a fifth is wrong: as many as are at most .5 sure
    current = rows(np.repeat(levels, [50, 20, 10, 10, 10]), wrong=0)
    assert estimated_accuracy(reference, current, 7)[1].value == pytest.approx(0.5)
    assert estimated_accuracy(reference, reference, 7)[1].value == pytest.approx(0.8)


def test_a_reference_without_an_error_does_not_promise_that_none_will_come():
    perfect = Rows(
        100, None, {"confidence": np.full(100, 0.9)}, {c: np.full(100, "a", object) for c in ("prediction", "label")}
    )
    cbpe, atc = estimated_accuracy(perfect, perfect, 7)
    assert cbpe.low < 0.99 and atc.low < 1


def test_copies_of_the_reference_and_unknown_labels_are_counted():
    def rows(texts, labels):
        return rows_from_table(pa.table({"text": texts, "label": labels}), None, None, "here")

    found = quality(
        rows(["a", "b"], ["x", "y"]), rows(["a", "a", "c", "d"], ["x", "z", "z", None]), pa.array(["c", "q"])
    )
    assert found == {
        "text_in_held_out": {"rows": 2, "share": 0.5},
        "text_in_training": {"rows": 1, "share": 0.25},
        "unseen_labels": {"z": 2},
    }
    assert quality(Rows(3), Rows(3), None) == {
        "text_in_held_out": None,
        "text_in_training": None,
        "unseen_labels": None,
    }
