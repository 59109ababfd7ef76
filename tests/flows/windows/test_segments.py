"""Which segment carries a verdict, and how many labels settle what."""

from __future__ import annotations

import itertools

import pytest
from statsmodels.stats.proportion import proportion_confint

from flows.windows.segments import Carrier, carrier, labels_for, needed


def segment(number, share, before, loss=None, column=None):
    shares = {"share": share, "reference_share": before}
    return Carrier(segment=number, name=f"s{number}", rows=10, **shares, estimated_loss=loss, slice=column)


FOUND = [segment(0, 0.3, 0.5, -0.01), segment(1, 0.4, 0.1, 0.01), segment(2, 0.3, 0.4, 0.08)]


@pytest.mark.parametrize(
    ("word", "number"), [("harmful", 2), ("unusual", 1), ("changed", 1), ("as before", None), ("cannot be told", None)]
)
def test_the_one_that_lost_most_carries_harm_and_the_one_that_grew_most_a_change_in_any_order(word, number):
    for order in itertools.permutations(FOUND):
        found = carrier(word, order)
        assert (found.segment if found else None) == number
    assert carrier(word, []) is None


def test_harm_without_known_losses_is_carried_by_the_one_that_grew():
    assert carrier("harmful", [segment(0, 0.1, 0.5), segment(1, 0.9, 0.5)]).segment == 1


def test_a_slice_of_nearly_all_rows_does_not_carry_harm_for_being_large_and_one_that_lost_beyond_its_share_does():
    large, small = segment(3, 0.95, 0.95, 0.079, "shop"), segment(4, 0.05, 0.05, 0.001, "shop")
    assert carrier("harmful", [*FOUND, large, small]).segment == 2
    alone = segment(4, 0.05, 0.05, 0.081, "shop")
    assert carrier("harmful", [*FOUND, segment(3, 0.95, 0.95, -0.001, "shop"), alone]).segment == 4


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.97, 1.0])
@pytest.mark.parametrize("width", [0.1, 0.05, 0.02])
def test_so_many_labels_are_the_fewest_whose_wilson_interval_is_that_narrow(accuracy, width):
    count = labels_for(width, accuracy)

    def half(rows):
        low, high = proportion_confint(accuracy * rows, rows, method="wilson")
        return (high - low) / 2

    assert half(count) <= width + 1e-9 < half(count - 1) + 2e-9


def test_a_loss_near_the_tolerated_one_needs_more_labels_and_one_as_large_is_never_settled():
    near, far = (needed(0.9, loss, 0.02).settles for loss in (0.05, 0.3))
    assert far < near
    assert needed(0.9, 0.02, 0.02).settles is None
    assert needed(0.9, None, 0.02).settles is None
    assert "±0.05" in needed(0.9, 0.1, 0.02).in_words()
