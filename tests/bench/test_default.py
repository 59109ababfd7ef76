"""The benchmark of the default: its intervals, its splits, and the mean as a stock layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, set_seed

from bench.default import mean_layer
from bench.default.pooled import Difference, Judged, pooled
from bench.default.states import WIDTH

COUNT = 300
RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 2, COUNT)


def judged(right_base, right_arm, seed, rows=None):
    random = np.random.default_rng(seed)
    rows = np.arange(COUNT) if rows is None else rows
    truth = TRUTH[rows]
    said = [np.where(random.random(len(rows)) < right, truth, 1 - truth) for right in (right_base, right_arm)]
    return Judged(rows, truth, *said)


def test_a_difference_is_the_mean_over_the_splits_and_lies_in_its_interval():
    splits = [judged(0.8, 0.95, seed) for seed in range(3)]
    found = pooled(splits)
    each = [pooled([one]) for one in splits]
    assert found.value == pytest.approx(np.mean([one.value for one in each]))
    assert 0 < found.low < found.value < found.high and found.verdict == "better"


def test_rows_that_every_split_judges_count_once():
    one = judged(0.9, 0.9, 1)
    single, five = pooled([one]), pooled([one] * 5)
    assert five.low == pytest.approx(single.low) and five.high == pytest.approx(single.high)


def test_other_rows_in_each_split_are_more_evidence():
    halves = np.split(RANDOM.permutation(COUNT), 5)
    alone = [pooled([judged(0.9, 0.9, 2, rows)]) for rows in halves]
    together = pooled([judged(0.9, 0.9, 2, rows) for rows in halves])
    assert together.high - together.low < min(one.high - one.low for one in alone)


def test_arms_that_say_the_same_differ_by_nothing():
    one = judged(0.9, 0.9, 3)
    found = pooled([Judged(one.rows, one.truth, one.base, one.base)])
    assert (found.low, found.value, found.high, found.verdict) == (0, 0, 0, "not worse")


def test_a_label_that_a_resample_lacks_says_nothing_of_it():
    truth = np.zeros(COUNT, np.int64)
    truth[:2] = 1
    found = pooled([Judged(np.arange(COUNT), truth, truth, truth)])
    assert found.low == found.high == 0 and found.base == 1


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.001, 0.02, "better"),
        (-0.009, 0.02, "not worse"),
        (-0.009, -0.001, "not worse"),
        (-0.011, 0.02, "cannot be told"),
        (-0.03, -0.001, "worse"),
    ],
)
def test_the_verdict_is_the_intervals(low, high, said):
    assert Difference(0.9, 0.9, low, high).verdict == said


@pytest.mark.proof
def test_the_mean_is_a_stock_layer(tmp_path):
    set_seed(0)
    model = mean_layer.classifier(1).eval()
    model.save_pretrained(tmp_path)
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    ids, mask = torch.randint(1000, 2000, (3, 9)), torch.ones(3, 9, dtype=torch.int64)
    mask[1, 5:] = 0
    with torch.no_grad():
        below = stock.bert(ids, mask, output_hidden_states=True).hidden_states[1].numpy()
        said = stock(ids, mask).logits.numpy()
        weights = stock.classifier.weight.numpy(), stock.classifier.bias.numpy()
    weight = mask.numpy()[..., None]
    means = (below * weight).sum(1) / weight.sum(1)
    given = mean_layer.features(means, below[:, 0])
    assert given.shape == (3, WIDTH)
    np.testing.assert_allclose(given @ weights[0].T + weights[1], said, atol=1e-5)
