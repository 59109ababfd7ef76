"""The tables of ``bench.alarms``: recall, unharmed windows with an alarm, and delay, by arm; and stream by stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from bench.alarms.cases import Case

DRAWS = 2_000  # of streams, for an interval
ALWAYS = ("always", "never")
MIN_STREAMS = 3  # that have such windows, for an interval over streams


def counted(cases: Sequence[Case], truth: str, arm: str) -> tuple[int, int]:
    """How many windows of that truth the arm raises an alarm on, of how many that it was asked."""
    asked = [one.alarms[arm] for one in cases if one.truth == truth and one.alarms.get(arm) is not None]
    return sum(map(bool, asked)), len(asked)


def share(cases: Sequence[Case], truth: str, arm: str) -> str:
    """The share with an alarm, with a 95 % interval over streams drawn anew (their windows hang together)."""
    hits, asked = counted(cases, truth, arm)
    if not asked:
        return "not measured"
    by_stream = {name: list(each) for name, each in groupby(cases, key=lambda one: one.stream)}
    pairs = np.array([pair for each in by_stream.values() if (pair := counted(each, truth, arm))[1]])
    if len(pairs) < MIN_STREAMS:
        return f"{hits / asked:.0%} ({hits} of {asked})"
    drawn = pairs[np.random.default_rng(7).integers(0, len(pairs), (DRAWS, len(pairs)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return f"{hits / asked:.0%} [{low:.0%}, {high:.0%}] ({hits} of {asked})"


def delays(cases: Sequence[Case], arm: str) -> str:
    """Windows from the first harmed one of a watch to the first alarm in or after it; and the watches without one."""
    found, never = [], 0
    for _, each in groupby(cases, key=lambda one: (one.stream, one.watch)):
        watch = list(each)
        first = next((i for i, one in enumerate(watch) if one.truth == "harmed"), None)
        if first is None or watch[first].alarms.get(arm) is None:
            continue
        raised = next((i for i, one in enumerate(watch[first:]) if one.alarms[arm]), None)
        if raised is None:
            never += 1
        else:
            found.append(raised)
    if not (found or never):
        return "not measured"
    return f"{np.mean(found) if found else math.inf:.1f}; {never} of {len(found) + never} never"


def arms_table(cases: Sequence[Case]) -> list[str]:
    """Every arm over some streams."""
    lines = ["| arm | recall | unharmed with an alarm | undecidable with an alarm | delay |", "|---|" + "---:|" * 4]
    for arm in dict.fromkeys(name for one in cases for name in one.alarms):
        shares = " | ".join(share(cases, truth, arm) for truth in ("harmed", "unharmed", "undecidable"))
        lines.append(f"| {arm} | {shares} | {delays(cases, arm)} |")
    return lines


def streams_table(cases: Sequence[Case], arms: Iterable[str]) -> list[str]:
    """Every stream: its windows by truth, the errors of the estimates, and what each arm raises an alarm on."""
    chosen = [*arms]
    lines = [
        f"| stream | windows | rows, median | harmed | unharmed | undecidable | {' | '.join(chosen)} |",
        "|---|---:|---:|---:|---:|---:|" + "---:|" * len(chosen),
    ]
    for name, each in groupby(cases, key=lambda one: one.stream):
        own = list(each)
        truths = [sum(one.truth == truth for one in own) for truth in ("harmed", "unharmed", "undecidable")]
        rows = int(np.median([one.rows for one in own]))
        cells = " | ".join(_pair(own, arm) for arm in chosen)
        lines.append(f"| {name} | {len(own)} | {rows:,} | {' | '.join(map(str, truths))} | {cells} |")
    return lines


def _pair(cases: Sequence[Case], arm: str) -> str:
    found = [counted(cases, truth, arm) for truth in ("harmed", "unharmed")]
    return "; ".join(f"{hits}/{asked}" if asked else "–" for hits, asked in found)


def errors_table(cases: Sequence[Case]) -> list[str]:
    """How far each estimate of the loss is from the measured one, stream by stream: mean absolute error in points."""
    names = list(cases[0].estimates)
    lines = [f"| stream | mean loss | {' | '.join(names)} |", "|---|---:|" + "---:|" * len(names)]
    for name, each in groupby(cases, key=lambda one: one.stream):
        own = list(each)
        cells = " | ".join(_error(own, estimate) for estimate in names)
        lines.append(f"| {name} | {100 * np.mean([one.fall.value for one in own]):.1f} | {cells} |")
    return lines


def _error(cases: Sequence[Case], estimate: str) -> str:
    known = [(one.estimates[estimate], one.fall.value) for one in cases if one.estimates[estimate] is not None]
    if not known:
        return "–"
    found, truth = np.array(known, dtype=float).T
    return f"{100 * np.abs(found - truth).mean():.1f} ({len(known)})"
