"""``bench.alarms``: how streams are cut, what counts as harm, and what the tables count."""

from __future__ import annotations

import numpy as np
import pytest

from bench.alarms.budget import rate
from bench.alarms.cases import Case
from bench.alarms.streams import HORIZON, PAIRS, STREAMS, by_domain, by_time
from bench.alarms.table import arms_table, counted, delays
from bench.corpora import Corpus
from flows.windows.verdict import Loss


def case(step, value, error, *, alarms, stream="a", watch="w"):
    fall = Loss(value=value, low=value - error, high=value + error)
    return Case(stream, watch, f"{step}", step, 100, fall, {"CBPE": value}, {"arm": alarms})


def test_every_outlet_is_in_one_pair_and_half_of_the_streams_are_untouched():
    outlets = [one for pair in PAIRS.values() for one in pair]
    assert len(set(outlets)) == len(outlets) == 16
    assert sum(one.untouched for one in STREAMS) == len(STREAMS) / 2
    assert len({one.file for one in STREAMS}) == len(STREAMS)


@pytest.mark.parametrize(("step", "months"), [(7, False), (1, True)])
def test_a_models_reference_ends_where_its_first_window_begins_and_no_row_is_in_two(step, months):
    times = np.datetime64("2020-01-01", "s") + np.arange(400) * np.timedelta64(86_400, "s")
    corpus = Corpus([""] * 400, [""] * 400, times)
    watches = list(by_time(corpus, "2020-01-01", "2020-07-01", step, 2, months))
    for watch in watches:
        first = watch.windows[0].range
        rows = [watch.reference, *(one.rows for one in watch.windows)]
        assert len(np.unique(np.concatenate(rows))) == sum(map(len, rows))
        assert times[watch.reference].max() < np.datetime64(first.since.replace(tzinfo=None))
        assert all(
            one.range.until == after.range.since for one, after in zip(watch.windows, watch.windows[1:], strict=False)
        )
    assert max(len(watch.windows) for watch in watches) == HORIZON


def test_a_domain_is_watched_on_rows_of_its_own_that_it_was_not_learnt_from():
    corpus = Corpus([""] * 40, [""] * 40, domains=np.repeat(["x", "y"], 20))
    for watch in by_domain(corpus):
        assert not set(watch.reference.tolist()) & {row for one in watch.windows for row in one.rows.tolist()}
        assert sum(len(one.rows) for one in watch.windows) + len(watch.reference) == 40


@pytest.mark.parametrize(
    ("value", "error", "truth"),
    [(0.05, 0.04, "harmed"), (0.05, 0.06, "undecidable"), (0.019, 0.001, "undecidable"), (0.0, 0.019, "unharmed")],
)
def test_a_window_is_harmed_from_two_points_that_are_no_chance_and_unharmed_where_two_are_excluded(value, error, truth):
    assert case(0, value, error, alarms=True).truth == truth


def test_the_tables_count_rings_by_truth_and_the_delay_from_the_first_harmed_window():
    known = [
        case(0, 0.0, 0.01, alarms=True),
        case(1, 0.1, 0.01, alarms=False),
        case(2, 0.1, 0.01, alarms=True),
        case(0, 0.1, 0.01, alarms=False, watch="v"),
        case(0, 0.1, 0.01, alarms=None, watch="u"),
    ]
    assert counted(known, "harmed", "arm") == (1, 3)
    assert counted(known, "unharmed", "arm") == (1, 1)
    assert delays(known, "arm") == "1.0; 1 of 2 never"
    assert "| arm | 33% (1 of 3) | 100% (1 of 1) | not measured | 1.0; 1 of 2 never |" in arms_table(known)


def test_a_rate_of_rings_has_the_exact_interval_of_its_count():
    assert rate(0, 10) == "0.00 [0.00, 0.37]"
    assert rate(10, 10) == "1.00 [0.48, 1.84]"
