"""The calibration error is that of its definition, weighted or not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tasks.statistics.calibration import bin_numbers, calibration_bins, calibration_error


@pytest.mark.parametrize("bins", [1, 7, 15, 200])
def test_the_error_is_the_mean_gap_of_bins_of_equally_many_rows(bins):
    random = np.random.default_rng(6)
    confidence, correct = random.uniform(0.3, 1, 100).round(2), random.random(100) < 0.7
    parts = calibration_bins(confidence, bins)
    assert sum(map(len, parts)) == 100 and max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(confidence[a].max() <= confidence[b].min() for a, b in pairwise(parts))
    expected = sum(abs(confidence[part].mean() - correct[part].mean()) * len(part) for part in parts) / 100
    assert calibration_error(confidence - correct, bin_numbers(confidence, bins)) == pytest.approx(expected)


def test_a_weight_counts_a_row_as_often():
    random = np.random.default_rng(7)
    gap, bins, weights = random.normal(size=50), random.integers(0, 5, 50), random.integers(0, 4, 50)
    again = np.repeat(np.arange(50), weights)
    assert calibration_error(gap, bins, weights) == pytest.approx(calibration_error(gap[again], bins[again]))
