"""The verdict on a window: what it does not depend on, what it costs, and that its budget holds."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from flows.parameters import Policy
from flows.windows.ranges import TimeRange, as_utc
from flows.windows.verdict import (
    MIN_PAST,
    Figures,
    Loss,
    PastWindow,
    judge,
    scored,
    tail,
    windows_a_year,
    windows_for_rank,
)

START = as_utc("2016-01-04")
SIGNALS = ("text: words", "vocabulary", "embeddings: axes", "confidence")


def week(number, days=7):
    since = START + number * timedelta(days=days)
    return TimeRange(since, since + timedelta(days=days))


def distances(rng, by=1.0):
    common = rng.gamma(2)  # windows differ, and all their signals together
    return {name: float(by * common * abs(1 + 0.3 * rng.normal())) for name in SIGNALS}


def lost(value, half=0.01):
    return Loss(value=value, low=value - half, high=value + half)


def history(rng, count, days=7, watched=True):
    def figures():
        return Figures(
            distances=distances(rng), measured=lost(rng.normal(0, 0.01)), predicted=lost(rng.normal(0, 0.01))
        )

    return [PastWindow(week(i, days), figures(), f"run-{i:04}" if watched else None) for i in range(count)]


def test_the_order_of_windows_and_of_signals_does_not_matter():
    past, rng = history(np.random.default_rng(0), 40), np.random.default_rng(1)
    now = Figures(distances=distances(rng, 3), measured=lost(0.1), predicted=lost(0.05))
    verdict = judge(now, True, week(40), past, Policy())
    for seed in range(20):
        dice = random.Random(seed)
        mixed = [
            PastWindow(
                one.window,
                one.figures.model_copy(update={"distances": dict(dice.sample([*one.figures.distances.items()], 4))}),
                one.run,
            )
            for one in dice.sample(past, len(past))
        ]
        turned = now.model_copy(update={"distances": dict(dice.sample([*now.distances.items()], 4))})
        assert judge(turned, True, week(40), mixed, Policy()) == verdict


def test_a_larger_distance_is_never_less_unusual():
    rng = np.random.default_rng(0)
    for count in (MIN_PAST, 12, 150):
        past, now = [distances(rng) for _ in range(count)], distances(rng)
        for name in SIGNALS:
            p = []
            for by in np.linspace(0, 20, 40):
                score, scores = scored({**now, name: by * now[name]}, past)
                p.append(sum(one >= score for one in scores))
            assert p == sorted(p, reverse=True)
    values = rng.normal(size=12).tolist()
    p = [tail(now, values, 0.01, 0.05).p for now in np.linspace(-3, 9, 50)]
    assert p == sorted(p, reverse=True)


def test_too_few_past_windows_cannot_be_told_and_a_rank_says_how_many_it_needs():
    rng = np.random.default_rng(0)
    far = Figures(distances=distances(rng, 1000))
    few = judge(far, True, week(MIN_PAST), history(rng, MIN_PAST)[1:], Policy())
    assert (few.word, few.unusual.beyond, few.unusual.by, few.alarm) == ("changed", None, None, False)
    assert "5 are needed" in few.unusual.in_words()
    enough = judge(far, True, week(MIN_PAST), history(rng, MIN_PAST), Policy())
    assert (enough.word, enough.unusual.by, enough.alarm) == ("unusual", "prediction interval", True)
    assert enough.unusual.rank_needs == 105  # half of the budget of one alarm in 53 windows: 1 / (105 + 1)
    ranked = judge(far, True, week(105), history(rng, 105), Policy())
    assert (ranked.unusual.by, ranked.unusual.p, ranked.alarm) == ("rank", round(1 / 106, 9), True)
    nothing = judge(Figures(), None, week(0), [], Policy())
    assert (nothing.word, nothing.harm.holds, nothing.alarm) == ("cannot be told", None, False)
    assert judge(Figures(), False, week(0), [], Policy()).word == "as before"
    assert judge(far, True, None, history(rng, 105), Policy()).windows_a_year is None  # undated: nothing to compare


@pytest.mark.parametrize("needed", [1, 19, 20, 105, 729])
def test_a_rank_needs_just_enough_windows(needed):
    assert windows_for_rank(1 / (needed + 1)) == needed
    assert windows_for_rank(0.999 / (needed + 1)) == needed + 1


def test_a_window_that_was_watched_twice_counts_once_and_later_and_longer_ones_do_not():
    rng = np.random.default_rng(0)
    past = history(rng, 30)
    now = Figures(distances=distances(rng, 3))
    verdict = judge(now, True, week(30), past, Policy())
    assert verdict.runs == tuple(one.run for one in reversed(past))
    again = [PastWindow(one.window, one.figures, one.run) for one in past]
    others = [
        PastWindow(week(30), now, "itself"),
        PastWindow(week(31), past[3].figures, "later"),
        PastWindow(TimeRange(week(2).since, week(5).until), past[4].figures, "a month"),
    ]
    assert judge(now, True, week(30), [*past, *again, *others], Policy()) == verdict


def test_a_range_that_shares_time_with_a_watched_one_has_spent_its_share_there():
    past = history(np.random.default_rng(0), 30)
    far = Figures(distances=distances(np.random.default_rng(1), 1000))
    shifted = TimeRange(week(29).since + timedelta(days=3), week(29).until + timedelta(days=3))
    assert judge(far, True, week(30), past, Policy()).alarm
    verdict = judge(far, True, shifted, past, Policy())
    assert (verdict.word, verdict.alarm, verdict.overlaps) == ("unusual", False, ("run-0029",))
    assert "part of another that was watched" in verdict.lines(Policy(), "why")[-1]


def test_harm_is_a_fall_beyond_what_is_tolerated_and_an_alarm_where_the_past_has_none_like_it():
    rng = np.random.default_rng(0)
    past = history(rng, 30)

    def verdict(measured=None, predicted=None, before=past, **policy):
        return judge(Figures(measured=measured, predicted=predicted), False, week(30), before, Policy(**policy))

    assert (verdict(lost(0.1)).word, verdict(lost(0.1)).alarm) == ("harmful", True)
    assert verdict(lost(0.015)).word == "as before" and verdict(lost(0.025)).word == "harmful"
    assert verdict(lost(0.025, half=0.03)).word == "as before"  # chance alone explains it
    assert verdict(lost(0.015), tolerated_loss=0.01).word == "harmful"
    assert verdict(None, lost(0.1)).harm.by == "predicted"
    assert verdict(lost(0.0), lost(0.1)).word == "as before"  # labels say otherwise
    assert verdict(lost(0.1, half=0.09), lost(0.1)).harm.by == "predicted"  # few labels leave it open
    assert verdict(lost(0.0, half=0.064), lost(0.1, half=0.02)).harm.by == "measured"  # and here contradict it
    often = [
        PastWindow(one.window, Figures(measured=lost(0.12 if i % 4 == 0 else 0.0)), one.run)
        for i, one in enumerate(past)
    ]
    usual = verdict(lost(0.1), before=often)
    assert (usual.word, usual.alarm) == ("harmful", False)
    alone = verdict(lost(0.1), before=[])
    assert (alone.word, alone.alarm, alone.harm.tail.by) == ("harmful", True, "rows alone")
    assert "but past windows lost as much; at most" in usual.lines(Policy(), "why")[-1]
    wide = verdict(None, lost(0.04, half=0.1), before=[])
    assert (wide.word, wide.alarm) == ("harmful", False)
    assert "but the chance of its rows explains the loss; at most" in wide.lines(Policy(), "why")[-1]
    assert "but" not in alone.lines(Policy(), "why")[-1]


def test_a_prediction_is_corrected_by_what_predictions_missed_in_watched_windows_with_labels():
    def past(missed, run="run"):
        return [
            PastWindow(week(i), Figures(measured=lost(0.01 + by), predicted=lost(0.01)), run and f"{run}-{i:04}")
            for i, by in enumerate(missed)
        ]

    def harm(before, predicted=0.01):
        return judge(Figures(predicted=lost(predicted)), False, week(30), before, Policy()).harm

    assert harm([]).loss == harm(past([0.03] * 3, run=None)).loss == lost(0.01)  # of the reference: it was fitted there
    found = harm(past([0.02, 0.03, 0.04]))
    assert found.holds and found.corrected_by == 3 and found.loss.value == pytest.approx(0.04)
    spread = np.sqrt((0.01 / 1.959964) ** 2 + np.var([0.02, 0.03, 0.04], ddof=1) * 4 / 3)
    assert found.loss.high - found.loss.value == pytest.approx(1.959964 * spread, abs=1e-5)
    assert "corrected by what it missed in 3 past windows" in found.in_words(0.02)
    assert not harm(past([-0.02] * 3), predicted=0.03).holds and harm([], predicted=0.03).holds


def test_the_policy_says_what_raises_an_alarm():
    past = history(np.random.default_rng(0), 30)
    far, near = (Figures(distances=distances(np.random.default_rng(1), by)) for by in (1000, 1))

    def alarm(figures, changed, *words):
        return judge(figures, changed, week(30), past, Policy(alarm_on=list(words))).alarm

    assert alarm(far, True, "unusual") and not alarm(far, True, "harmful") and not alarm(far, True)
    assert alarm(near, True, "changed") and not alarm(near, True, "harmful", "unusual")
    assert alarm(Figures(), None, "cannot be told") and not alarm(near, False, "cannot be told", "changed")


def test_windows_a_year_follow_from_their_length():
    assert [windows_a_year(week(0, days)) for days in (1, 7, 30, 365)] == [365, 53, 13, 1]
    assert windows_a_year(TimeRange(as_utc("2026-01-01"), as_utc("2026-02-01"))) == 12
    assert windows_a_year(TimeRange(as_utc("2026-01-01"), as_utc("2026-04-01"))) == 4


def test_losses_have_newcombes_interval():
    """Newcombe (1998), table II, example (a): 56 of 70 and 48 of 80, .0524 to .3339 by method 10."""
    sides = [(right / rows, *proportion_confint(right, rows, method="wilson")) for right, rows in ((56, 70), (48, 80))]
    found = Loss.between(*sides)
    assert (round(found.value, 6), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


def alarms(seed, draw, days, reference, count):
    """A schedule over windows of one kind: how many alarms there were. All of them are called changed."""
    rng = np.random.default_rng(seed)
    past = [PastWindow(week(i - reference, days), draw(rng), None) for i in range(reference)]
    count_of = 0
    for i in range(count):
        now = draw(rng)
        count_of += judge(now, True, week(i, days), past[-800:], Policy()).alarm  # a rank needs 729
        past.append(PastWindow(week(i, days), now, f"{i:05}"))
    return count_of


def alike(rng):
    """Windows that differ by chance alone."""
    return Figures(distances={name: float(abs(rng.normal())) for name in SIGNALS}, measured=lost(rng.normal(0, 0.005)))


def varying(rng):
    """A planted, stationary variation from window to window; accuracy moves by more than is tolerated."""
    return Figures(distances=distances(rng), measured=lost(rng.normal(0, 0.05)), predicted=lost(rng.normal(0, 0.05)))


@pytest.mark.parametrize("draw", [alike, varying])
def test_the_budget_holds_over_weekly_schedules(draw):
    found = [alarms(seed, draw, 7, 6, 104) for seed in range(3)]
    assert sum(found) <= 6 * 1.0 + 3 * 6**0.5  # six years at one alarm a year, and three standard errors


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("draw", [alike, varying])
def test_the_budget_holds_over_ten_years_of_nights_and_of_weeks(draw):
    """4,172 windows of each kind."""
    nights, weeks = alarms(0, draw, 1, 60, 3650), alarms(1, draw, 7, 12, 522)
    print(f"{draw.__name__}: {nights} alarms in 3,650 nights, {weeks} in 522 weeks, of 10 each")
    assert nights <= 10 + 3 * 10**0.5 and weeks <= 10 + 3 * 10**0.5


@pytest.mark.parametrize("budget", [1.0, 12.0])
def test_the_budget_is_spent_by_rank_as_stated(budget):
    """With enough past windows the chance of an alarm is the level, neither more nor nothing."""
    rng = np.random.default_rng(0)
    level = budget / 53 / 2
    count = windows_for_rank(level)
    found = [tail(rng.standard_t(2), rng.standard_t(2, count).tolist(), level, 0.05) for _ in range(4000)]
    assert {one.by for one in found} == {"rank"}
    seen, expected = sum(one.beyond for one in found), 4000 * int(level * (count + 1) + 1e-6) / (count + 1)
    assert abs(seen - expected) < 4 * expected**0.5
