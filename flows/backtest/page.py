"""The page that compares policies, and the same table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from flows.backtest.replay import Step, Summary, cost, cost_difference, describe_policy, summary
from flows.parameters import Policy, Prices, RefitOn
from tasks.html.templates import environment
from tasks.report.charts import Axis, axis

TEMPLATE = "page.html"
COLOURS = {name: f"var(--of-{name})" for name in get_args(RefitOn)}
"""Of the page's style, which has each for a light and a dark scheme."""
OFFSET = 0.12  # of a window's width, between the marks of two policies


@dataclass(frozen=True)
class Replayed:
    """What is on the page."""

    title: str
    how: str
    """What stands in for a refit and when labels come, in words."""
    rules: list[Policy]
    steps: dict[str, list[Step]]
    """Of each policy."""
    training_rows: int
    """What the first model had to learn from."""
    prices: Prices | None = None

    @property
    def summaries(self) -> list[Summary]:
        """Of each policy."""
        first = self.steps[self.rules[0].refit_on]
        return [summary(rule, self.steps[rule.refit_on], first) for rule in self.rules]

    @property
    def names(self) -> list[str]:
        """Each policy in words."""
        return [describe_policy(rule) for rule in self.rules]

    @property
    def rows(self) -> int:
        """Rows that every policy's models answered."""
        return sum(len(step.result.right) for step in self.steps[self.rules[0].refit_on])


def table(found: Replayed) -> list[list[str]]:
    """The comparison: the headings, then one line for each policy."""
    return [
        [
            "policy",
            "accuracy, by rows (95 %)",
            f"against {found.names[0]}, paired (95 %)",
            "alarms",
            "refits",
            "promoted",
            "rows trained on",
            "seconds spent",
            *(["cost", f"more than {found.names[0]} (95 %)"] if found.prices else []),
        ],
        *(
            [*_line(name, one, i), *_priced(one, found)]
            for i, (name, one) in enumerate(zip(found.names, found.summaries, strict=True))
        ),
    ]


def _priced(one: Summary, found: Replayed) -> list[str]:
    """What the policy costs, beside the first."""
    if found.prices is None:
        return []
    first = found.summaries[0]
    more, least, most = cost_difference(one, first, found.prices)
    beside = "" if one.policy == first.policy else f"{more:+,.2f} [{least:+,.2f}, {most:+,.2f}]"
    return [f"{cost(one, found.prices):,.2f}", beside]


def advice(found: Replayed) -> str:
    """The cheapest policy as ``prefect.yaml`` has it, and whether it is cheaper than the first beyond chance."""
    if found.prices is None:
        return ""
    prices, summaries = found.prices, found.summaries
    place = min(range(len(summaries)), key=lambda i: cost(summaries[i], prices))
    rule, most = found.rules[place], cost_difference(summaries[place], summaries[0], prices)[2]
    if place == 0:
        words = f"{found.names[0]}, the first policy, costs least"
    else:
        sure = "" if most < 0 else f"; chance alone explains its difference to {found.names[0]}"
        words = f"{found.names[place]} costs least{sure}"
    keys = ("refit_on", "every_days", "cooldown_days", "tolerated_loss", "false_alarms_a_year")
    block = [f"  {key}: {getattr(rule, key)}" for key in keys]
    return "\n".join([f"{words}; for monitoring in prefect.yaml:", "policy:", *block])


def answer(found: Replayed) -> str:
    """Which policy served best by accuracy, in a sentence: whether it beats the first beyond chance."""
    one, first = max(found.summaries, key=lambda its: its.accuracy), found.names[0]
    place = found.summaries.index(one)
    if place == 0:
        return f"{first} served best: no other policy was more accurate"
    points = f"{100 * one.difference:.1f} points of accuracy more than {first}"
    if one.difference_interval[0] <= 0:
        return f"no policy is shown to serve better than {first}: {found.names[place]} has {points}, within chance"
    refits = f"{one.refits} {'refit' if one.refits == 1 else 'refits'}"
    return f"{found.names[place]} served best: {points}, for {refits} and {one.trained_rows:,} rows trained on"


def _line(name: str, one: Summary, place: int) -> list[str]:
    (low, high), (least, most) = one.interval, one.difference_interval
    return [
        name,
        f"{one.accuracy:.4f} [{low:.4f}, {high:.4f}]",
        f"{one.difference:+.4f} [{least:+.4f}, {most:+.4f}]" if place else "",
        f"{one.alarms} of {one.windows}",
        f"{one.refits}",
        f"{one.promoted}",
        f"{one.trained_rows:,}",
        f"{one.seconds:.1f}",
    ]


def markdown(found: Replayed) -> str:
    """The table, for an artifact or a page of results."""
    head, *rows = table(found)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---", *["---:"] * (len(head) - 1)], *rows])


def page(found: Replayed) -> str:
    """The page; whatever comes from data is escaped, and nothing on it runs."""
    head, *lines = table(found)
    windows = list(zip(*found.steps.values(), strict=True))
    template = environment(Path(__file__).parent).get_template(TEMPLATE)
    said = answer(found)
    return template.render(
        found=found,
        answer=said[:1].upper() + said[1:],
        chart=chart(found.steps),
        headings=head,
        lines=lines,
        windows=windows,
    )


def chart(steps: dict[str, list[Step]]) -> dict[str, Any]:
    """Where the marks of the accuracies stand, in per cent of the drawing."""
    seen = [step.result.interval for of in steps.values() for step in of if step.result.interval]
    scale = axis(min((low for low, _ in seen), default=0.0), max((high for _, high in seen), default=1.0))
    first = next(iter(steps.values()))
    return {
        "series": [
            {"name": name.replace("_", " "), "colour": COLOURS[name], "points": _points(of, i, len(steps), scale)}
            for i, (name, of) in enumerate(steps.items())
        ],
        "ticks": [{"at": round(100 - scale.place(tick), 2), "text": scale.written(tick)} for tick in scale.ticks],
        "names": [
            {"at": round(100 * (i + 0.5) / len(first), 2), "text": f"{step.window.since:%Y-%m-%d}"}
            for i, step in enumerate(first)
        ],
    }


def _points(steps: Sequence[Step], place: int, policies: int, scale: Axis) -> list[dict[str, Any]]:
    shift = OFFSET * (place - (policies - 1) / 2)
    return [
        {
            "x": round(100 * (i + 0.5 + shift) / len(steps), 2),
            "y": round(100 - scale.place(step.result.accuracy), 2),
            "top": round(100 - scale.place(step.result.interval[1]), 2),
            "bottom": round(100 - scale.place(step.result.interval[0]), 2),
            "promoted": bool(step.refit and step.refit.promoted),
        }
        for i, step in enumerate(steps)
        if step.result.accuracy is not None and step.result.interval is not None
    ]
