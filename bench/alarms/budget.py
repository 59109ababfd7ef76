"""Whether the budget of false alarms holds where nothing but chance, or a planted steady variation, moves the windows.

WordNet's glosses as nights of 100 rows, in a random order; and with a mix of the 45 classes that is drawn anew for each
night (Dirichlet), so that every window differs and none more than the others. ``windows``: the product's whole drift
verdict on every night. ``schedules``: nights of ten years, whose features are computed once; the distances by the
product's own functions, the harm from the calibrated confidences and from the labels. What raises an alarm is told by
``flows.windows.verdict.judge`` from the figures of the nights before. What was computed is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import chi2

from bench.alarms.watch import KEPT
from bench.drift.__main__ import pool
from flows.parameters import Policy
from flows.runs.figures import figures, reference_windows, verdict_on
from flows.runs.metrics import DriftVerdict
from flows.runs.run_record import Measured
from flows.windows.ranges import TimeRange
from flows.windows.verdict import MAX_WINDOWS, Figures, Loss, PastWindow, WindowVerdict, judge
from tasks.core.files import write_json
from tasks.drift import Params
from tasks.drift.estimates import calibrated_chances, correct, estimated_accuracy, measured_accuracy
from tasks.drift.past_windows import FLOOR
from tasks.drift.permutation import Population
from tasks.drift.rows import Rows
from tasks.drift.signals import populations
from tasks.drift.testing import Counts, permutation_test, signal_statistics
from tasks.drift.verdict import drift_verdict

SCENARIOS = ("random order", "a mix drawn anew each night")
ROWS = 100  # of a night
REFERENCE_NIGHTS = 20
NIGHTS = 1_000  # of each scenario, with the whole verdict
YEARS, SCHEDULES = 10, 5  # of each scenario
CONCENTRATION = 20.0  # of the Dirichlet mix: the share of a class of 10 % then varies by about 7 points
NIGHT = timedelta(days=1)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
HEAD = 2  # lines of the table before any figure
PERMUTATIONS = 199  # of the whole verdict; that of `changed` needs no more for a level of 5 %


@dataclass(frozen=True)
class Nights:
    """A reference and the nights after it, as places in the pool."""

    reference: np.ndarray
    nights: list[np.ndarray]


def nights(scenario: str, number: int, count: int) -> Nights:
    """So many nights; in a random order no row comes twice unless there are more nights than rows."""
    rng = np.random.default_rng([number, SCENARIOS.index(scenario)])
    rows, known = pool("glosses").rows, pool("glosses").home
    wanted = REFERENCE_NIGHTS + count
    if scenario == SCENARIOS[0]:
        order = np.concatenate([rng.permutation(known) for _ in range(-(-wanted * ROWS // known))])
        chosen = [order[i * ROWS : (i + 1) * ROWS] for i in range(wanted)]
    else:
        names, codes = np.unique(rows.categories["label"].astype(str), return_inverse=True)
        shares = np.bincount(codes) / len(codes)
        members = [np.flatnonzero(codes == i) for i in range(len(names))]
        chosen = [_mixed(rng, shares, members) for _ in range(wanted)]
    return Nights(np.concatenate(chosen[:REFERENCE_NIGHTS]), chosen[REFERENCE_NIGHTS:])


def _mixed(rng: np.random.Generator, shares: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of a night whose mix of classes is drawn about the shares of all."""
    counts = rng.multinomial(ROWS, rng.dirichlet(CONCENTRATION * shares))
    return np.concatenate([rng.choice(own, count) for own, count in zip(members, counts, strict=True)])


def _range(night: int) -> TimeRange:
    """The night's range; the reference's are those before 0."""
    return TimeRange(BEGIN + night * NIGHT, BEGIN + (night + 1) * NIGHT)


def _dated(rows: Rows, first: int) -> Rows:
    """The rows with times: as many nights as they are, from that night on."""
    night = first + np.arange(rows.count) // ROWS
    times = np.datetime64(BEGIN.replace(tzinfo=None), "us") + night * np.timedelta64(24 * 3600 * 10**6, "us")
    return replace(rows, times=times + np.timedelta64(12 * 3600 * 10**6, "us"))


def compute_windows(end: float) -> bool:
    """The product's verdict on every night of both scenarios, until then; whether all is known."""
    for scenario in SCENARIOS:
        folder = KEPT / "budget" / scenario.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        made, rows = nights(scenario, 0, NIGHTS), pool("glosses").rows
        reference = _dated(rows.take(made.reference), -REFERENCE_NIGHTS)
        for night, places in enumerate(made.nights):
            file = folder / f"{night:04}.json"
            if file.exists():
                continue
            if time.monotonic() > end:
                return False
            now = _dated(rows.take(places), night)
            unlabelled = replace(now, categories={"prediction": now.categories["prediction"]})
            params = Params(permutations=PERMUTATIONS)
            verdict = drift_verdict(reference, unlabelled, params, night, length=np.timedelta64(1, "D"))
            found = DriftVerdict.of(verdict, "here").model_dump(mode="json", by_alias=True)
            if night:  # the reference's windows are the same for all
                found["distances"]["past"] = []
            accuracy = measured_accuracy(now)
            measured = [accuracy.value, accuracy.low, accuracy.high]
            write_json({"drift": {**found, "signals": {}}, "measured": measured}, file)
    return True


def rings_of_windows(scenario: str) -> Iterator[tuple[WindowVerdict, WindowVerdict]]:
    """The verdicts on the nights that are known: before their labels, and with them."""
    folder = KEPT / "budget" / scenario.replace(" ", "-")
    past: list[PastWindow] = []
    for night, file in enumerate(sorted(folder.glob("*.json"))):
        kept = json.loads(file.read_text())
        drift = DriftVerdict.of(kept["drift"], "kept")
        if night == 0:
            before = list(reference_windows(drift))
        value, low, high = kept["measured"]
        measured = Measured(accuracy=value, interval=(low, high), rows=ROWS, of=ROWS, over="all rows")
        window, watched = _range(night), [*before, *past[-MAX_WINDOWS:]]
        yield tuple(verdict_on(drift, each, window, watched, Policy()) for each in (None, measured))  # type: ignore[misc]
        past.append(PastWindow(window, figures(drift, measured), f"night {night:05}"))


@dataclass(frozen=True)
class Features:
    """Of the pool's rows, computed once: the indicators that are compared, right or wrong, and the chance of right."""

    population: Population
    values: csr_array
    right: np.ndarray
    chance: np.ndarray


@cache
def features() -> Features:
    """The indicators are fitted on all rows of the pool, where the product fits them on the two sides at hand."""
    rows = pool("glosses").rows
    unlabelled = replace(rows, categories={"prediction": rows.categories["prediction"]})
    population = populations(
        unlabelled.take(np.arange(1)), unlabelled.take(np.arange(1, rows.count)), Params().smallest_effect, 7
    )[0]
    chance = calibrated_chances(rows)
    assert chance is not None
    from scipy.sparse import hstack

    values = csr_array(
        hstack([each.values for signal in population.signals for each in signal.indicators], format="csr")
    )
    return Features(population, values, correct(rows), chance)


def _counts(found: Features, sides: csr_array) -> np.ndarray:
    """How many rows of each side have each indicator, at most so much where the indicator is a quantity."""
    counts, start = (sides @ found.values).toarray().astype(np.float64), 0
    for each in (each for signal in found.population.signals for each in signal.indicators):
        stop = start + each.values.shape[1]
        if each.cumulative:
            counts[:, start:stop] = np.cumsum(counts[:, start:stop], axis=1)
        start = stop
    return counts


@cache
def figures_of_nights(scenario: str, number: int) -> list[Figures]:
    """Of every night of a schedule of ten years, from the features that were computed once."""
    found, made = features(), nights(scenario, 1 + number, 365 * YEARS)
    every = [made.reference, *made.nights]
    places = np.repeat(np.arange(len(every)), [len(one) for one in every]), np.concatenate(every)
    shape = len(every), len(found.right)
    counts = _counts(found, csr_array((np.ones(len(places[0]), np.float32), places), shape=shape))
    sizes = np.full(len(made.nights), float(ROWS))
    both = Counts(counts[1:], counts[1:] + counts[0], sizes, float(ROWS + len(made.reference)))
    expected = _expected(len(made.reference))
    statistics = np.maximum(signal_statistics(both, found.population.signals) - expected, FLOOR * expected)
    distances = np.sqrt(statistics * (1 / ROWS + 1 / len(made.reference)))
    names = [signal.name for signal in found.population.signals]
    rows = pool("glosses").rows
    accuracy = measured_accuracy(rows.take(made.reference))
    before = accuracy.value, accuracy.low, accuracy.high
    half = estimated_accuracy(rows.take(made.reference), rows.take(made.nights[0]), 7)[0].error
    return [
        _figures(dict(zip(names, map(float, distances[night]), strict=True)), before, found, own, half)
        for night, own in enumerate(made.nights)
    ]


def _figures(
    distances: dict[str, float], before: tuple[float, float, float], found: Features, own: np.ndarray, half: float
) -> Figures:
    """Of one night: accuracy measured on its labels, and predicted with an interval as wide as the first night's."""
    expect = float(found.chance[own].mean())
    predicted = Loss.between(before, (expect, expect - half, expect + half))
    measured = Loss.between(before, _wilson(float(found.right[own].mean())))
    return Figures(distances=distances, measured=measured, predicted=predicted)


def extend(scenario: str, number: int, until: int, end: float) -> bool:
    """Watch the nights of a schedule up to that one, before the labels and with them; False: the time was up before."""
    file = _schedule_file(scenario, number)
    kept = json.loads(file.read_text()) if file.exists() else {"nights": 0, "unusual": [], "harmful": []}
    if kept["nights"] >= until:
        return True
    values = figures_of_nights(scenario, number)
    past = [PastWindow(_range(night), one, f"night {night:05}") for night, one in enumerate(values)]
    for night in range(kept["nights"], until):
        if time.monotonic() > end:
            break
        known = past[max(night - MAX_WINDOWS, 0) : night]
        early = judge(values[night].model_copy(update={"measured": None}), True, _range(night), known, Policy())
        late = judge(values[night], True, _range(night), known, Policy())
        kept["unusual"] += [night] if early.unusual.beyond else []
        kept["harmful"] += [night] if early.harm.alarm or late.harm.alarm else []
        kept["nights"] = night + 1
    write_json(kept, file)
    print(f"{scenario}, schedule {number + 1}: {kept}", flush=True)
    return bool(kept["nights"] >= until)


def _wilson(share: float) -> tuple[float, float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(share * ROWS, ROWS, method="wilson")
    return float(share), float(low), float(high)


@cache
def _expected(reference: int) -> np.ndarray:
    """The median statistic of a night against so many rows between which nothing differs [signals]."""
    found = features()
    rng = np.random.default_rng(7)
    chosen = rng.choice(len(found.right), reference + ROWS, replace=False)
    current = np.arange(len(chosen)) >= reference
    signals = tuple(
        replace(signal, indicators=tuple(replace(each, values=each.values[chosen]) for each in signal.indicators))
        for signal in found.population.signals
    )
    return np.median(permutation_test(Population(current, signals, None), PERMUTATIONS, 7).statistics, axis=0)


def compute_schedules(end: float) -> bool:
    """Every schedule, a year of each scenario at a time, until the time is spent; whether all are known."""
    years = ((number, year, one) for number in range(SCHEDULES) for year in range(YEARS) for one in SCENARIOS)
    return all(extend(scenario, number, 365 * (year + 1), end) for number, year, scenario in years)


def _schedule_file(scenario: str, number: int) -> Any:
    return KEPT / "budget" / f"schedule-{scenario.replace(' ', '-')}-{number}.json"


def rate(count: int, years: float) -> str:
    """Alarms a year, with the exact 95 % interval of a Poisson count (Garwood 1936)."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return f"{count / years:.2f} [{low / years:.2f}, {chi2.ppf(0.975, 2 * count + 2) / 2 / years:.2f}]"


def table() -> list[str]:
    """Both parts, in Markdown."""
    lines = [
        "| nights | scenario | nights watched | changed | unusual, beyond the level | alarms | alarms a year, 95 % |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for scenario in SCENARIOS:
        verdicts = list(rings_of_windows(scenario))
        if verdicts:
            alarms = sum(early.alarm or late.alarm for early, late in verdicts)
            changed = sum(bool(early.changed) for early, _ in verdicts) / len(verdicts)
            beyond = sum(bool(early.unusual.beyond) for early, _ in verdicts)
            years = len(verdicts) / 365
            lines.append(
                f"| the whole verdict | {scenario} | {len(verdicts):,} | {changed:.0%} | {beyond} | {alarms} | "
                f"{rate(alarms, years)} |"
            )
    for scenario in SCENARIOS:
        kept = [
            json.loads(file.read_text())
            for number in range(SCHEDULES)
            if (file := _schedule_file(scenario, number)).exists()
        ]
        for what, since, until in (("the first two", 0, 730), ("after two", 730, 365 * YEARS)):
            watched = sum(min(max(one["nights"] - since, 0), until - since) for one in kept)
            if not watched:
                continue
            raised = [{night for night in one["unusual"] + one["harmful"] if since <= night < until} for one in kept]
            beyond = sum(since <= night < until for one in kept for night in one["unusual"])
            count = sum(map(len, raised))
            lines.append(
                f"| {len(kept)} schedules of up to ten years, {what} years | {scenario} | {watched:,} | taken to be "
                f"always | {beyond} | {count} | {rate(count, watched / 365)} |"
            )
    return lines
