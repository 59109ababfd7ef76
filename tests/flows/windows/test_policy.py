"""When to refit, and which window comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.parameters import Policy
from flows.windows.policy import Facts, decide
from flows.windows.ranges import TimeRange, as_text, as_utc, next_window, set_windows, windows_for_refit
from tasks.core.errors import UserError
from tasks.dataset.windows import Windows
from tasks.dataset.windows import load as load_windows

END = datetime(2026, 3, 1, tzinfo=UTC)


def facts(**known):
    usual = {
        "at": END,
        "trained_until": END - timedelta(days=28),
        "tried_at": None,
        "word": "harmful",
        "alarm": True,
        "accuracy_then": 0.95,
        "accuracy_now": 0.90,
        "accuracy_is": "estimated",
        "labelled": 50,
    }
    return Facts(**usual | known)


@pytest.mark.parametrize(
    ("policy", "known", "refit"),
    [
        ("never", {}, False),
        ("alarm", {}, True),
        ("alarm", {"alarm": False}, False),
        ("harmful", {"alarm": False}, True),
        ("harmful", {"word": "unusual"}, False),
        ("unusual", {"word": "unusual"}, True),
        ("unusual", {}, False),
        ("schedule", {"word": "as before", "alarm": False}, True),
        ("schedule", {"trained_until": END - timedelta(days=27)}, False),
        ("schedule", {"trained_until": None}, True),
        ("estimated_loss", {"word": "as before", "alarm": False}, True),
        ("estimated_loss", {"accuracy_now": 0.94}, False),
        ("estimated_loss", {"accuracy_now": None}, False),
    ],
)
def test_each_policy_looks_at_its_own_sign(policy, known, refit):
    decision = decide(Policy(refit_on=policy), facts(**known))
    assert decision.refit is refit
    assert decision.reasons


@pytest.mark.parametrize("policy", ["alarm", "schedule", "estimated_loss"])
def test_nothing_is_refitted_within_the_cooldown_or_without_labels_and_both_are_said(policy):
    rules = Policy(refit_on=policy, every_days=1, cooldown_days=7)
    for against in ({"trained_until": END - timedelta(6)}, {"tried_at": END - timedelta(6)}, {"labelled": 0}):
        decision = decide(rules, facts(**against))
        assert not decision.refit
        assert len(decision.reasons) == 2
    assert decide(rules, facts(tried_at=END - timedelta(7))).refit


def span(since, until):
    return TimeRange(as_utc(since), as_utc(until))


def test_windows_follow_each_other_without_a_gap_and_months_stay_months():
    def windows(since, until):
        reference = {"from": "2025-01-01", "until": since}
        return Windows.model_validate({"reference": reference, "current": {"from": since, "until": until}})

    months = windows("2026-01-01", "2026-02-01")
    found, seen = [], None
    for _ in range(3):
        found.append(next_window(months, seen))
        seen = found[-1].until
    assert [str(one) for one in found] == [
        "2026-01-01 to 2026-02-01",
        "2026-02-01 to 2026-03-01",
        "2026-03-01 to 2026-04-01",
    ]
    week = windows("2026-01-05", "2026-01-12")
    assert next_window(week, as_utc("2026-02-01")) == span("2026-02-01", "2026-02-08")
    assert next_window(week, None, days=2) == span("2026-01-05", "2026-01-07")
    assert next_window(Windows(), None) is None
    with pytest.raises(UserError, match="open at one end"):
        next_window(windows("2026-01-05", None), None)
    assert windows_for_refit(week, span("2026-01-12", "2026-01-19")) == {
        "reference": {"from": "2025-01-15", "until": "2026-01-19"},
        "current": {"from": "2026-01-19", "until": "2026-01-26"},
    }


def test_a_window_is_set_and_the_rest_of_the_file_stays(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(
        'model: {name: x}   # mine\nwindows:\n  reference: {until: "2026-01-01"}\n  current: {from: "2026-01-01"}\n'
    )
    set_windows(file, {"current": {"from": "2026-02-01", "until": "2026-02-08T12:00:00+00:00"}})
    assert "# mine" in file.read_text()
    assert load_windows(file).current.until == datetime(2026, 2, 8, 12, tzinfo=UTC)
    assert load_windows(file).reference.until == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(UserError, match="overlap"):
        set_windows(file, {"current": {"from": "2025-02-01"}})
    with pytest.raises(UserError, match=r"unknown key windows\.future"):
        set_windows(file, {"future": {}})
    assert (as_text(as_utc("2026-02-08")), as_text(None)) == ("2026-02-08", None)
    with pytest.raises(UserError, match="is no date"):
        as_utc("soon")
