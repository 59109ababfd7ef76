"""Thresholds: cheapest or precise enough on the rows they were chosen on, still so on others; abstention is null."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import beta

from tasks.core.errors import UserError
from tasks.modelling.decision import Rule, choose_thresholds, decide, thresholds_in

LABELS = ["ham", "spam"]


def held_out(rows, seed):
    """A calibrated model's probabilities, and what is true."""
    random = np.random.default_rng(seed)
    spam = random.beta(0.4, 0.5, rows)
    return np.column_stack([1 - spam, spam]), (random.random(rows) < spam).astype(np.int64)


def cost(probability, truth, chosen, rule):
    total = 0.0
    for said, its in zip(decide(probability, LABELS, chosen), truth, strict=True):
        total += rule.abstain if said is None else rule.costs.get(said, 1.0) * (said != LABELS[its])
    return total / len(truth)


def test_no_thresholds_cost_less_on_the_rows_they_were_chosen_on():
    probability, truth = held_out(300, 1)
    rule = Rule(costs={"spam": 10.0}, abstain=0.3)
    chosen = choose_thresholds(probability, truth, LABELS, rule)
    least = cost(probability, truth, chosen, rule)
    for label in LABELS:
        for other in [*np.unique(probability[:, LABELS.index(label)]), None]:
            moved = {**chosen, "thresholds": {**chosen["thresholds"], label: other}}
            assert cost(probability, truth, moved, rule) >= least - 1e-12
    assert chosen["thresholds"]["spam"] > chosen["thresholds"]["ham"], "a mail lost costs more than one read"


def test_on_new_rows_the_cost_is_near_the_best_that_a_calibrated_model_allows():
    rule = Rule(costs={"spam": 5.0}, abstain=0.25)
    chosen = choose_thresholds(*held_out(4000, 2), LABELS, rule)
    probability, truth = held_out(20_000, 3)
    best = {"costs": chosen["costs"], "thresholds": {"ham": 1 - 0.25, "spam": 1 - 0.25 / 5}}
    assert cost(probability, truth, chosen, rule) <= 1.05 * cost(probability, truth, best, rule)


@pytest.mark.proof
@pytest.mark.parametrize("floor", [0.9, 0.97])
def test_a_precision_floor_is_reached_on_new_rows_as_often_as_stated(floor):
    """And the threshold is the lowest whose bound holds on the rows it was chosen on."""
    probability, truth = held_out(20_000, 99)
    kept, runs = 0, 60
    for seed in range(runs):
        given = held_out(400, seed)
        chosen = choose_thresholds(*given, LABELS, Rule(precision=floor, confidence=0.9))
        said = decide(probability, LABELS, chosen)
        hits = [its == LABELS.index(s) for s, its in zip(said, truth, strict=True) if s == "spam"]
        kept += not hits or np.mean(hits) >= floor
    assert kept / runs >= 0.75, "0.9, less what choosing among many thresholds costs"
    given = held_out(4000, 5)
    chosen = choose_thresholds(*given, LABELS, Rule(precision=floor, confidence=0.9))
    acted = np.array(decide(given[0], LABELS, chosen)) == "spam"
    right = int((given[1][acted] == 1).sum())
    assert beta.ppf(0.1, right, acted.sum() - right + 1) >= floor


def test_where_the_floor_is_out_of_reach_nothing_is_acted_on_and_ties_are_acted_on_together():
    probability, truth = np.tile([0.4, 0.6], (10, 1)), np.array([1] * 5 + [0] * 5)
    chosen = choose_thresholds(probability, truth, LABELS, Rule(precision=0.99))
    assert chosen["thresholds"] == {"ham": None, "spam": None}
    assert decide(probability, LABELS, chosen) == [None] * 10
    assert json.loads(json.dumps(chosen)) == chosen


def test_without_a_rule_every_prediction_is_acted_on_and_costs_alone_move_the_choice():
    probability, truth = held_out(50, 4)
    assert choose_thresholds(probability, truth, LABELS, Rule()) is None
    assert decide(probability, LABELS, None) == [LABELS[i] for i in probability.argmax(axis=1)]
    dear = choose_thresholds(probability, truth, LABELS, Rule(costs={"spam": 9.0}))
    assert decide(np.array([[0.2, 0.8], [0.05, 0.95]]), LABELS, dear) == ["ham", "spam"]
    assert thresholds_in({}) is None and thresholds_in({"decision": dear}) == dear


def test_what_cannot_be_meant_is_refused():
    for wrong in ({"abstain": 0.1, "precision": 0.9}, {"costs": {"spam": 0.0}}, {"precision": 1.0}):
        with pytest.raises(ValidationError):
            Rule(**wrong)
    with pytest.raises(UserError, match="costs names eggs; the labels are ham, spam"):
        Rule(costs={"eggs": 1.0}).refuse_unknown(LABELS)
