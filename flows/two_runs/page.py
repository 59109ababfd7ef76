"""The page that sets two runs beside each other: what differs between them, and what that did to the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from flows.runs import Run
from flows.two_runs import differences, held_out
from flows.two_runs.held_out import Paired
from tasks.core.errors import UserError
from tasks.html.templates import environment
from tasks.report import charts
from tasks.report.phrases import count, figure, signed
from tasks.report.render import FILTERS, MEASURES, PAGE, POLICY, measure_titles
from tasks.report.standing import listed

TEMPLATE = "page.html"
LESS_IS_BETTER = frozenset({"log_loss", "calibration_error", "mean_absolute_error"})
LISTED = 12
"""Entries of a list before the rest is folded."""
SIDES = ("A", "B")
NOISY = MEASURES["calibration_error"]
"""It overrules no other measure."""


@dataclass(frozen=True)
class Side:
    """One of the two runs, as the head of the page has it."""

    letter: str
    run: Run
    pages: str | None
    """The address of its folder ``reports/``, with a slash at the end; None: a browser reaches no page of it."""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What it is: flow, time, commit."""
        record, at = self.run.record, self.run.experiment
        if record:
            when = f"{record.started:%Y-%m-%d %H:%M} UTC"
            return [
                ("flow", record.flow),
                ("started", when),
                ("commit", record.commit[:12]),
                ("on", str(record.device)),
            ]
        return [("commit", at.commit[:12])] if at else [("folder", "the working tree, as it is now")]

    @property
    def findings(self) -> list[Any]:
        """On the model and on drift; none where it did not get that far."""
        try:
            return list(self.run.findings[:2])
        except (UserError, KeyError):  # of a record of an earlier release a figure may be missing
            return []


@dataclass(frozen=True)
class Measure:
    """One measure of both models."""

    title: str
    values: tuple[float | None, float | None]
    intervals: tuple[list[float] | None, list[float] | None]
    difference: float | None
    """The second less the first."""
    interval: list[float] | None
    """Of the difference, paired; None: not on the same rows."""
    better: str | None
    """The letter of the run that is better beyond chance."""


def measures(one: Run, other: Run, paired: Paired | None) -> list[Measure]:
    """On the same rows where there are such, else as each run measured them on its own."""
    if paired:
        titles = measure_titles(paired.figures)
        return [_paired(key, title, paired.figures) for key, title in titles.items()]
    found = [dict(run.metrics.get("evaluate") or {}) for run in (one, other)]
    titles = {key: title for its in found if its for key, title in measure_titles(its).items()}
    return [_unpaired(key, title, *found) for key, title in titles.items()]


def _paired(key: str, title: str, figures: Any) -> Measure:
    """``evaluate`` takes the first less the second; the page says what the second brought."""
    of = figures["intervals"]
    low, high = of["differences"][key]
    better = None
    if low > 0 or high < 0:
        better = SIDES[0] if (low > 0) != (key in LESS_IS_BETTER) else SIDES[1]
    return Measure(
        title,
        (figures[key], figures["baseline"][key]),
        (of[key], of["baseline"][key]),
        -figures["differences"][key],
        [-high, -low],
        better,
    )


def _unpaired(key: str, title: str, one: dict[str, Any], other: dict[str, Any]) -> Measure:
    intervals = tuple((its.get("intervals") or {}).get(key) for its in (one, other))
    return Measure(title, (one.get(key), other.get(key)), (intervals[0], intervals[1]), None, None, None)


def decision(found: list[Measure], paired: Paired | None, why: str) -> tuple[str, str]:
    """Which of the two is better, in a sentence, and the figures behind it."""
    if paired is None:
        return "Which run is better cannot be told", f"{why[:1].upper()}{why[1:]}."
    f1 = found[0]
    assert f1.difference is not None and f1.interval is not None
    both = f"{figure(f1.values[0] or 0)} of A and {figure(f1.values[1] or 0)} of B"
    words = (
        f"On the {count(paired.rows)} test rows that neither was trained on, macro-F1 is {both}; "
        f"the difference, B less A, is {signed(f1.difference)} "
        f"({signed(f1.interval[0])} to {signed(f1.interval[1])})."
    )
    others = [one for one in found[1:] if one.better not in (None, f1.better) and one.title != NOISY]
    if f1.better:
        against = f", but by {_listed(others)} {others[0].better} is" if others else ""
        return f"{f1.better} is better by macro-F1{against}", words
    if not paired.changed:
        return "Both answer every test row alike", words
    if others and len({one.better for one in others}) == 1:
        return f"{others[0].better} is better by {_listed(others)}; macro-F1 does not tell them apart", words
    if others:
        parts = [f"{one.better} by {one.title}" for one in others]
        return f"The measures contradict each other: {', '.join(parts)}", words
    return "Chance alone explains the difference", words


def _listed(found: list[Measure]) -> str:
    return listed(tuple(one.title for one in found))


def page(one: Side, other: Side) -> str:
    """The page; whatever comes from data is escaped, and nothing on it runs."""
    paired, why = None, ""
    try:
        paired = held_out.paired(one.run, other.run)
    except UserError as error:
        why = str(error)
    found = measures(one.run, other.run, paired)
    title, text = decision(found, paired, why)
    head = environment(PAGE).get_template("head.html").render(policy=POLICY, title=title)
    template = environment(Path(__file__).parent, (*FILTERS, bare)).get_template(TEMPLATE)
    return template.render(
        head=Markup(head),  # of a template that escaped what it was given
        sides=(one, other),
        listed=LISTED,
        title=title,
        text=text,
        paired=paired,
        why=why,
        measures=found,
        whiskers=_whiskers(found),
        params=differences.of_params(one.run, other.run),
        rows=differences.of_rows(one.run, other.run),
        data=differences.of_data(one.run, other.run),
        shared=differences.shared_train_rows(one.run, other.run),
        packages=differences.of_packages(one.run, other.run),
        code=differences.of_code(one.run, other.run),
    )


def bare(value: float | None) -> str:
    """Three digits after the point, or a dash where there is no figure."""
    return "–" if value is None else figure(value)


def _whiskers(found: list[Measure]) -> charts.Intervals | None:
    """Macro-F1 of both, where both have an interval."""
    if not found or None in found[0].values or None in found[0].intervals:
        return None
    values, spans = found[0].values, found[0].intervals
    return charts.intervals([(SIDES[i], values[i] or 0.0, spans[i] or [0.0, 0.0]) for i in (0, 1)])
