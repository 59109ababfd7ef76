"""Metrics and flows of older commits are read under today's names."""

from __future__ import annotations

import copy

from flows.runs.renamed import Renamed, flow_ever, flow_today, metrics_today

TABLE = [
    Renamed("drift", "most", "max"),
    Renamed("drift", "inner.few", "inner.min_rows"),
    Renamed("drift", "signals.found", "signals.count"),
    Renamed("drift", "loose", "deep.er.tight"),
    Renamed("split", "inner.few", "inner.other"),
]


def test_old_keys_are_moved_and_the_argument_stays():
    old = {"most": 1, "inner": {"few": 2, "kept": 3}, "signals": [{"found": 4}, {"found": 5}, 6], "loose": None}
    before = copy.deepcopy(old)
    assert metrics_today("drift", old, TABLE) == {
        "max": 1,
        "inner": {"kept": 3, "min_rows": 2},
        "signals": [{"count": 4}, {"count": 5}, 6],
        "deep": {"er": {"tight": None}},
    }
    assert old == before


def test_what_has_todays_name_stays_and_what_is_missing_is_not_made_up():
    new = {"max": 1, "inner": {"min_rows": 2}}
    assert metrics_today("drift", new, TABLE) == new
    assert metrics_today("drift", {"max": 1, "most": 2}, TABLE) == {"max": 1}
    assert metrics_today("drift", {"inner": None, "signals": 3}, TABLE) == {"inner": None, "signals": 3}
    assert metrics_today("finetune", {"most": 1}, TABLE) == {"most": 1}


def test_flows_are_known_by_their_old_names():
    assert flow_today("nightly-training") == flow_today("scheduled-training") == "scheduled-training"
    assert flow_ever("rebuild") == ["rebuild", "weekly-verify"]
    assert flow_ever("monitoring") == ["monitoring"]
