"""The verdict on a window: did it change, is that unusual for these data, does it hurt, and is it an alarm. No Prefect.

A pure function of this window's figures and those of past windows: no clock, no chance, no order of either. Alarms
are bounded by a budget. If windows are exchangeable with the past, the expected number of alarms in any 365 days is at
most the budget: each window's share of it is the level of its tests, and whether a window raises one is known from its
own share alone, so that one that was skipped spends nothing and one that is looked at again nothing more.

Not covered: labels of one window that come back in several parts, each of which is a look; and the first windows, while
too few others are known (see ``Tail``), where the assumption that is named there takes the place of exchangeability.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean, variance
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.parameters import Policy, Word
from flows.windows.ranges import TimeRange

MIN_PAST = 5
"""Fewer past windows than this say nothing of how windows vary."""
MAX_WINDOWS = 1500
"""The newest that a verdict rests on: for a rank that is as rare as a nightly window's share of the budget."""
MAX_LEVEL = 0.05
"""Of a window's tests together, however generous the budget, and where no range says how many windows a year has."""
YEAR = timedelta(days=365)
LIKE = 0.15
"""By how much a past window's length may differ from this one's: months differ by a tenth."""
POWER = 3  # of the mean over signals, as in tasks.drift.testing: between all signals a little and one a lot
SMALLEST_SPREAD = 0.05  # of the logarithm of scores: past windows that are all alike are no proof of none
Z = 1.959964
HALF_WIDTHS = 2 * Z  # standard errors in a 95 % interval

By = Literal["rank", "prediction interval", "rows alone"]
Kind = Literal["measured", "predicted"]
RULES = 2
"""Of these verdicts. By the first a loss harmed whose lower end lay above what is tolerated, and no prediction was
corrected: most harm was not told (bench/RESULTS.md, Alarms worth waking for)."""
UNSEEN = {
    "measured": "over the rows that have a label",
    "predicted": "from the confidences: a label that changed for the same input cannot be seen",
}


class Frozen(BaseModel):
    """Base of what is recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Loss(Frozen):
    """Accuracy on the reference less accuracy in a window, with a 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def between(cls, before: tuple[float, float, float], now: tuple[float, float, float]) -> Loss:
        """From two accuracies, each with the ends of its interval: Newcombe's hybrid score interval (1998, method 10).

        Where the two rest on the same reference rows, as a prediction does, they rise and fall together, and the
        interval is too wide rather than too narrow.
        """
        (p, p_low, p_high), (q, q_low, q_high) = before, now
        value = p - q
        low = value - math.hypot(p - p_low, q_high - q)
        high = value + math.hypot(p_high - p, q - q_low)
        return cls(value=round(value, 6), low=round(low, 6), high=round(high, 6))

    @property
    def error(self) -> float:
        """Its standard error."""
        return (self.high - self.low) / HALF_WIDTHS


class Figures(Frozen):
    """What is known of one window."""

    distances: dict[str, float] = {}
    """From the reference, by signal."""
    measured: Loss | None = None
    predicted: Loss | None = None


@dataclass(frozen=True)
class PastWindow:
    """An earlier window: one that was watched, or one of the reference."""

    window: TimeRange
    figures: Figures
    run: str | None
    """That watched it; None: of the reference."""


class Tail(Frozen):
    """How far out a value lies among those of past windows."""

    beyond: bool | None
    """Whether it is rarer than its level allows; None: cannot be told."""
    p: float | None
    level: float
    past: int
    """Past windows that it was compared with."""
    by: By | None
    """rank: of this value among those of the past windows, at most (r + 1) / (n + 1): exact where windows are
    exchangeable (conformal prediction: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
    prediction interval: with fewer windows than a rank needs, Student's for the next window, which adds the spread
    between windows to that of their mean (random effects: Higgins, Thompson and Spiegelhalter, J. R. Stat. Soc. A 172,
    2009), and beyond every past window; assumed is that losses, and the logarithms of distances, are normal from window
    to window. Where they are not, a window among n is beyond all others once in n + 1 all the same. rows alone: with
    fewer than MIN_PAST windows, of losses only; assumed is that windows differ by the chance of their rows and by the
    loss that is tolerated."""

    @property
    def rank_needs(self) -> int:
        """With fewer past windows a rank raises no alarm: it cannot be rarer than 1 / (n + 1)."""
        return windows_for_rank(self.level)

    def in_words(self) -> str:
        """Beside how many past windows, and how that was judged."""
        if self.by is None:
            return f"cannot be told with {_windows(self.past)}: {MIN_PAST} are needed"
        if self.by == "rows alone":
            return f"held against the chance of its rows alone: {_windows(self.past)}, {MIN_PAST} are needed for more"
        how = (
            "by rank" if self.by == "rank" else f"by a prediction interval (by rank from {self.rank_needs} windows on)"
        )
        return f"beside {_windows(self.past)}, {how}: p {self.p:.2g}, an alarm at {self.level:.2g} or less"


class Harm(Frozen):
    """Whether accuracy fell by more than is tolerated."""

    holds: bool | None
    """The loss is ``tolerated_loss`` or more, and a measured one is more than chance; None: no accuracy is known."""
    loss: Loss | None = None
    by: Kind | None = None
    corrected_by: int = 0
    """Earlier windows with labels by which a predicted loss is corrected."""
    tail: Tail | None = None
    """Whether past windows did not lose as much: what harms as it always has is no alarm."""

    @property
    def alarm(self) -> bool:
        """Whether its share of the budget allows an alarm."""
        return bool(self.holds and self.tail and self.tail.beyond)

    def in_words(self, tolerated: float) -> str:
        """In a line."""
        if self.loss is None or self.by is None:
            return "harmful: cannot be told: accuracy is neither measured nor predicted"
        said = "yes" if self.holds else "no" if self.loss.high < tolerated else "not shown"
        lost = f"{self.by} loss of accuracy {self.loss.value:+.3f} [{self.loss.low:+.3f}, {self.loss.high:+.3f}]"
        words = f"harmful: {said}: {lost}, {tolerated:g} tolerated; {UNSEEN[self.by]}"
        if self.corrected_by:
            words += f", corrected by what it missed in {_windows(self.corrected_by)}"
        return f"{words}; {self.tail.in_words()}" if self.holds and self.tail else words


class WindowVerdict(Frozen):
    """The three answers, the word that heads all that is said of the window, and what they rest on."""

    word: Word
    alarm: bool
    changed: bool | None
    unusual: Tail
    """Of the window's distance; ``beyond`` without ``changed`` makes no window unusual."""
    harm: Harm
    windows_a_year: int | None
    """None: undated data, for which no budget can be kept."""
    runs: tuple[str, ...]
    """That watched the past windows this rests on."""
    reference_windows: int
    """The past windows of the reference this rests on, from this window's own ``metrics/drift.json``."""
    rules: int = 1
    """By which of RULES it was made."""
    computed: bool = True
    """False: a release without verdicts wrote the record, whose alarm was drift."""
    overlaps: tuple[str, ...] = ()
    """Runs that watched another range which shares time with this one, whose share of the budget is spent there."""

    def lines(self, policy: Policy, reason: str) -> list[str]:
        """A line for each answer, and whether it raises an alarm."""
        changed = {True: "yes", False: "no", None: "cannot be told"}[self.changed]
        beyond = {True: "yes", False: "no", None: ""}[self.unusual.beyond]
        unusual = "; ".join(filter(None, (beyond, self.unusual.in_words())))
        found = [f"changed: {changed}: {reason}"]
        if self.changed:
            found.append(f"unusual: {unusual}")
        return [*found, self.harm.in_words(policy.tolerated_loss), self._budget(policy)]

    def _budget(self, policy: Policy) -> str:
        if self.windows_a_year is None:
            budget = "undated rows: no budget can be kept"
        else:
            windows = f"{self.windows_a_year} window{'' if self.windows_a_year == 1 else 's'}"
            budget = f"at most {policy.false_alarms_a_year:g} false a year expected over {windows}"
        if self.overlaps:
            budget = f"the time of this window is part of another that was watched: {self.overlaps[0]}"
        on = " or ".join(policy.alarm_on) or "nothing"
        if not self.alarm and not self.overlaps and "harmful" in policy.alarm_on and self.harm.tail and self.harm.holds:
            rows = self.harm.tail.by == "rows alone"
            on += f", but {'the chance of its rows explains the loss' if rows else 'past windows lost as much'}"
        return f"alarm: {'yes' if self.alarm else 'no'}: on {on}; {budget}"


def judge(
    now: Figures, changed: bool | None, window: TimeRange | None, past: Iterable[PastWindow], policy: Policy
) -> WindowVerdict:
    """The verdict on a window.

    ``past``: any windows, in any order. Those of this window's length that ended before it began count, each once.
    """
    every = list(past)
    known = comparable(window, every)
    a_year = windows_a_year(window) if window else None
    shares = _shares(policy, a_year)
    unusual = _unusual(now, known, shares["unusual"])
    harm = _harm(now, known, shares, policy.tolerated_loss)
    found = WindowVerdict(
        word=_word(changed, unusual, harm),
        alarm=False,
        changed=changed,
        unusual=unusual,
        harm=harm,
        windows_a_year=a_year,
        runs=tuple(one.run for one in known if one.run),
        reference_windows=sum(one.run is None for one in known),
        rules=RULES,
        overlaps=_overlapping(window, every),
    )
    return found.model_copy(update={"alarm": _alarm(policy, found)})


def _overlapping(window: TimeRange | None, past: Sequence[PastWindow]) -> tuple[str, ...]:
    """The runs that watched another range which shares time with this one."""
    if window is None:
        return ()
    shares = [one for one in past if one.window.since < window.until and window.since < one.window.until]
    return tuple(sorted(one.run for one in shares if one.run and one.window != window))


def comparable(window: TimeRange | None, past: Iterable[PastWindow]) -> list[PastWindow]:
    """The past windows that count, the newest first: as long as this one, over before it, none overlapping another.

    Of two that overlap, as a window that was watched twice, the one that begins later counts, and of one range the run
    that is named last: runs are named by their window and an id, so that no order of the records matters.
    """
    if window is None:
        return []
    length, found, begins = window.until - window.since, [], window.since
    for one in sorted(past, key=lambda each: (each.window.since, each.window.until, each.run or ""), reverse=True):
        differs = abs((one.window.until - one.window.since) / length - 1)
        if one.window.until <= begins and differs <= LIKE:
            found.append(one)
            begins = one.window.since
    return found


def _windows(count: int) -> str:
    return f"{count} past window{'' if count == 1 else 's'}"


def windows_a_year(window: TimeRange) -> int:
    """At most so many windows of this length, one after another, end within any 365 days."""
    if window.months:
        return -(-12 // window.months)
    return -(-YEAR // (window.until - window.since))


def windows_for_rank(level: float) -> int:
    """How many past windows a rank needs to be as rare as the level."""
    return math.ceil(1 / level - 1e-9) - 1


def _shares(policy: Policy, a_year: int | None) -> dict[str, float]:
    """The level of each test of one window; together they are the window's share of the budget.

    Harm is tested twice: as predicted when the window closes, and as measured once labels are there.
    """
    level = MAX_LEVEL if a_year is None else min(MAX_LEVEL, policy.false_alarms_a_year / a_year)
    both = {"unusual", "harmful"} <= set(policy.alarm_on)
    each = level / 2 if both else level
    return {"unusual": each, "measured": each / 2, "predicted": each / 2}


def _word(changed: bool | None, unusual: Tail, harm: Harm) -> Word:
    if harm.holds:
        return "harmful"
    if changed:
        return "unusual" if unusual.beyond else "changed"
    return "cannot be told" if changed is None else "as before"


def _alarm(policy: Policy, verdict: WindowVerdict) -> bool:
    """Within the budget for *harmful* and *unusual*; the other words raise an alarm whenever the policy names them.

    A window that shares time with another one that was watched has spent its share of the budget there.
    """
    found = {
        "harmful": not verdict.overlaps and verdict.harm.alarm,
        "unusual": not verdict.overlaps and bool(verdict.changed and verdict.unusual.beyond),
        "changed": bool(verdict.changed),
        "as before": verdict.word == "as before",
        "cannot be told": verdict.word == "cannot be told",
    }
    return any(found[one] for one in policy.alarm_on)


def _unusual(now: Figures, past: Sequence[PastWindow], level: float) -> Tail:
    """Of the one statistic that a window has over all signals, so that their number costs nothing."""
    measured = [one for one in past if one.figures.distances]
    chosen = _enough([one for one in measured if one.run], measured, level)
    score, scores = scored(now.distances, [one.figures.distances for one in chosen])
    if score is None:
        return Tail(beyond=None, p=None, level=level, past=len(chosen), by=None)
    logs = [math.log(one) for one in scores]
    return tail(math.log(score), logs, level, SMALLEST_SPREAD)


def _enough(watched: list[PastWindow], measured: list[PastWindow], level: float) -> list[PastWindow]:
    """The windows watched since, if a rank needs no more; else those of the reference too.

    The model has learnt from rows of the reference's windows, so they are exchangeable with later ones by and large
    only.
    """
    return watched if len(watched) >= windows_for_rank(level) else measured


def scored(now: Mapping[str, float], past: Sequence[Mapping[str, float]]) -> tuple[float | None, list[float]]:
    """One score for this window, and for each past one: the power mean over signals of distance over mean distance.

    The means are over all windows, this one too, so that every window is treated alike and the scores are as
    exchangeable as the windows. Signals that not every window has are left out. A larger distance of this window never
    lowers its rank. None: there is nothing to compare.
    """
    names = sorted(name for name in now if all(name in one for one in past))
    windows = [now, *past]
    means = {name: math.fsum(one[name] for one in windows) / len(windows) for name in names}
    varying = [name for name in names if means[name] > 0]
    if not past or not varying:
        return None, []
    scores = [
        (math.fsum((one[name] / means[name]) ** POWER for name in varying) / len(varying)) ** (1 / POWER)
        for one in windows
    ]
    smallest = 1e-3  # of a mean of one: a distance of nothing has no logarithm
    return max(scores[0], smallest), [max(one, smallest) for one in scores[1:]]


def tail(now: float, past: Sequence[float], level: float, smallest_spread: float) -> Tail:
    """How far out a value lies above past ones: by rank where they are enough for the level, else by prediction."""
    count = len(past)
    by: By
    if count >= windows_for_rank(level):
        p, by = (1 + sum(one >= now for one in past)) / (count + 1), "rank"
        beyond = p <= level * (1 + 1e-9)
    elif count >= MIN_PAST:
        p, by = _predicted(now, past, smallest_spread), "prediction interval"
        beyond = p <= level and now > max(past)
    else:
        return Tail(beyond=None, p=None, level=level, past=count, by=None)
    return Tail(beyond=beyond, p=round(p, 9), level=level, past=count, by=by)


def _predicted(now: float, past: Sequence[float], smallest_spread: float) -> float:
    from scipy.special import stdtr

    count = len(past)
    mean = math.fsum(past) / count
    spread = max(math.sqrt(math.fsum((one - mean) ** 2 for one in past) / (count - 1)), smallest_spread)
    return float(stdtr(count - 1, (mean - now) / (spread * math.sqrt(1 + 1 / count))))


def _harm(now: Figures, past: Sequence[PastWindow], shares: Mapping[str, float], tolerated: float) -> Harm:
    """As measured and as predicted, each with its own share: the one that raises an alarm, else the one that holds.

    A prediction is not asked where the labels show that no more was lost than is tolerated, or less than it says.
    """
    found = []
    if now.measured:
        beyond = _tail("measured", now.measured, now.measured, past, shares["measured"], tolerated)
        holds = now.measured.value >= tolerated and now.measured.low > 0
        found.append(Harm(holds=holds, loss=now.measured, by="measured", tail=beyond))
    if now.predicted:
        loss, by = corrected(now.predicted, past)
        if not (now.measured and now.measured.high <= max(tolerated, loss.low)):
            beyond = _tail("predicted", now.predicted, loss, past, shares["predicted"], tolerated)
            holds = loss.value >= tolerated
            found.append(Harm(holds=holds, loss=loss, by="predicted", corrected_by=by, tail=beyond))
    return max(found, key=lambda one: (one.alarm, bool(one.holds)), default=Harm(holds=None))


def corrected(predicted: Loss, past: Sequence[PastWindow]) -> tuple[Loss, int]:
    """A prediction plus what predictions missed, on average, in the watched windows that have labels; and how many.

    Its interval holds how much that varies: by the chance of the rows at least.
    """
    both = [(one.figures.measured, one.figures.predicted) for one in past if one.run]
    pairs = [(now, then) for now, then in both if now and then]
    count = len(pairs)
    if not count:
        return predicted, 0
    missed = [now.value - then.value for now, then in pairs]
    between = variance(missed) if count > 1 else 0.0
    of_rows = fmean(now.error**2 for now, _ in pairs)
    half = Z * math.sqrt(predicted.error**2 + max(between, of_rows) * (1 + 1 / count))
    value = predicted.value + fmean(missed)
    return Loss(value=round(value, 6), low=round(value - half, 6), high=round(value + half, 6)), count


def _tail(kind: Kind, own: Loss, said: Loss, past: Sequence[PastWindow], level: float, tolerated: float) -> Tail:
    """Of the loss as it is found in every window, uncorrected: only so are the windows exchangeable."""
    losses = [(one, value.value) for one in past if (value := getattr(one.figures, kind))]
    watched = [value for one, value in losses if one.run]
    compared = watched if len(watched) >= windows_for_rank(level) else [value for _, value in losses]
    found = tail(own.value, compared, level, own.error)
    return found if found.by else _rows_alone(said, tolerated, found)


def _rows_alone(loss: Loss, tolerated: float, found: Tail) -> Tail:
    p = 0.5 * math.erfc((loss.value - tolerated) / (max(loss.error, 1e-9) * math.sqrt(2)))
    return found.model_copy(update={"beyond": p <= found.level, "p": round(p, 9), "by": "rows alone"})
