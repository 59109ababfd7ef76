"""What follows from a measured difference: whether the rule holds, and what these rows can detect."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from scipy.stats import norm

from tasks.gate import Params
from tasks.gate.difference import LEVEL, Difference, measure_difference
from tasks.gate.paired import pair_cells

FOUND = Difference(value=0.02, low=0.001, high=0.04, standard_error=0.01, p_value=0.01, step=0.0005)
BETTER, NOT_WORSE = Params(rule="better"), Params(rule="not_worse", margin=0.01)


def test_the_level_is_one_side_of_the_95_percent_interval():
    assert LEVEL == 0.025


@pytest.mark.parametrize(
    ("low", "p_value", "passes"),
    [(0.001, 0.01, True), (0.001, 0.025, True), (0.001, 0.026, False), (0.0, 0.01, False), (-0.001, 0.01, False)],
)
def test_better_needs_the_interval_above_0_and_the_randomization_test(low, p_value, passes):
    assert replace(FOUND, low=low, p_value=p_value).passes(BETTER) is passes


@pytest.mark.parametrize(("low", "passes"), [(-0.0099, True), (-0.01, False), (-0.02, False)])
def test_not_worse_needs_the_interval_above_minus_the_margin_and_no_p_value(low, passes):
    assert replace(FOUND, low=low, p_value=1.0).passes(NOT_WORSE) is passes


def test_the_detectable_difference_has_80_percent_power():
    power = norm.sf(norm.ppf(0.975) - (FOUND.detectable - FOUND.step) / FOUND.standard_error)
    assert power == pytest.approx(0.8)
    assert replace(FOUND, standard_error=0.0).detectable is None


def test_an_equal_challenger_passes_not_worse_as_often_as_its_interval_reaches_the_margin():
    expected = norm.cdf(0.01 / 0.01 - norm.ppf(0.975))  # the lower bound, its true value plus noise, above -margin
    assert FOUND.pass_rate_if_equal(NOT_WORSE) == pytest.approx(expected)
    assert replace(FOUND, standard_error=0.0).pass_rate_if_equal(NOT_WORSE) == 1.0


@pytest.mark.parametrize("gained", [3, 5])
def test_the_p_value_is_the_share_of_swaps_that_show_as_much(gained):
    truth = ["ham", "spam"] * 50
    wrong = [label if i >= gained else {"ham": "spam", "spam": "ham"}[label] for i, label in enumerate(truth)]
    found = measure_difference(pair_cells(truth, wrong, truth), 7, 20_000)
    assert found.p_value == pytest.approx(0.5**gained, abs=0.006)  # only where no row is swapped
    assert measure_difference(pair_cells(truth, truth, wrong), 7, 1000).p_value == 1


@pytest.mark.parametrize(
    ("low", "high", "section", "undecided"),
    [
        (-0.03, 0.005, NOT_WORSE, True),  # neither above -margin nor shown to be below it
        (-0.03, -0.01, NOT_WORSE, False),  # shown to be worse than the margin
        (-0.005, 0.04, NOT_WORSE, False),  # it passes
        (-0.03, 0.005, BETTER, True),
        (-0.03, 0.0, BETTER, False),  # shown not to be better
    ],
)
def test_too_few_rows_are_those_that_show_neither_the_rule_nor_its_opposite(low, high, section, undecided):
    assert replace(FOUND, low=low, high=high, p_value=0.5).undecided(section) is undecided


def test_rows_that_would_detect_the_margin_or_a_model_that_answers_the_same_leave_nothing_undecided():
    found = replace(FOUND, low=-0.03, high=0.005, p_value=0.5)
    assert not replace(found, standard_error=0.0).undecided(NOT_WORSE)
    assert not replace(found, standard_error=0.002).undecided(NOT_WORSE)
    assert found.rows_to_detect_margin(100, NOT_WORSE) == ceil(100 * (found.detectable / 0.01) ** 2)
    assert replace(found, standard_error=0.0).rows_to_detect_margin(100, NOT_WORSE) is None
