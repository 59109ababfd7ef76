"""The verdict: which signals changed, whether any change is significant, and whether it raises an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.drift import Params
from tasks.drift.detectable_effect import detectable_effect
from tasks.drift.past_windows import distances, past_windows, section
from tasks.drift.performance import NOT_KNOWN, kind_of_change, performance
from tasks.drift.permutation import Population, Signal
from tasks.drift.quality import quality
from tasks.drift.rows import Rows
from tasks.drift.segments import Segments, described
from tasks.drift.signals import group_codes, populations
from tasks.drift.testing import LargestChange, PermutationResult, adjusted_p_values, p_values, permutation_test

Verdict = dict[str, Any]


def drift_verdict(
    reference: Rows,
    current: Rows,
    params: Params,
    seed: int,
    extra: tuple[Population, ...] = (),
    training_texts: pa.ChunkedArray | None = None,
    length: np.timedelta64 | None = None,
    found_segments: Sequence[Segments] = (),
) -> Verdict:
    """Compare two sides on every signal both have, and on ``extra`` populations such as the quarantine's.

    ``training_texts``: to count the current rows that were trained on. ``length``: of the past windows that the
    reference is cut into; None: as the current rows' times. ``found_segments``: those to describe.

    ``significant``: a permutation test over all signals together found one, at the family-wise level. ``drifted``: a
    significant signal also changed by its smallest effect. Both are None, with the reason, where there is no verdict.
    """
    rows = {"reference": reference.count, "current": current.count}
    missing = _why_no_verdict(reference, current, params)
    compared = [] if missing else [*populations(reference, current, params.smallest_effect, seed), *extra]
    if not compared:
        return _verdict(None, None, missing or "the two sides have no column in common to compare", params, rows, {})
    results = run_tests(compared, params, seed)
    signals = signal_results(compared, results, params)
    significant = any(signal["significant"] for signal in signals.values())
    alarms = {name: signal for name, signal in signals.items() if signal["alarm"]}
    windows = past_windows(reference, current, params.min_rows, length)
    of_rows = [] if compared[0].current.size != reference.count + current.count else windows
    found = distances(compared[0], results[0], of_rows)
    beside = {
        "detectable_effect": detectable_effect(compared[0], results, found, current, params),
        "distances": section(compared[0], found, of_rows, reference),
        "performance": performance(reference, current, seed),
        "change": kind_of_change(reference, current, signals, seed),
        "quality": quality(reference, current, training_texts),
        "segments": described(found_segments, reference, current, seed),
    }
    return _verdict(bool(alarms), significant, _reason(signals, alarms, params), params, rows, signals) | beside


def _why_no_verdict(reference: Rows, current: Rows, params: Params) -> str | None:
    """Why there can be no verdict, if so."""
    if current.count == 0:
        return "no current data"
    for name, side in (("reference", reference), ("current", current)):
        what, count = ("rows", side.count)
        if side.groups is not None:
            what, count = ("groups", len(np.unique(group_codes(side.groups))))
        if count < params.min_rows:
            return f"only {count} {name} {what}: a verdict needs at least {params.min_rows} (drift.min_rows)"
    return None


def run_tests(compared: list[Population], params: Params, seed: int) -> list[PermutationResult]:
    """The permutation test of every population."""
    return [permutation_test(each, params.permutations, (seed, 2, i)) for i, each in enumerate(compared)]


def signal_results(compared: list[Population], results: list[PermutationResult], params: Params) -> dict[str, Any]:
    """By signal: its figures in the verdict, p-values corrected over all signals."""
    statistics = np.hstack([result.statistics for result in results])
    p = p_values(statistics)
    family_wise = adjusted_p_values(p)
    signals = [signal for population in compared for signal in population.signals]
    changes = [change for result in results for change in result.changes]
    return {
        signal.name: _signal_result(signal, change, (statistics[0, i], p[0, i], family_wise[i]), params.level)
        for i, (signal, change) in enumerate(zip(signals, changes, strict=True))
    }


def _signal_result(signal: Signal, change: LargestChange, test: tuple[float, float, float], level: float) -> Verdict:
    """``test``: the statistic, its p-value, and the family-wise one."""
    statistic, p, adjusted = (float(value) for value in test)
    significant = adjusted <= level
    return {
        "statistic": round(statistic, 4),
        "effect": round(change.effect, 4),
        "effect_is": "largest change in a share of rows",
        "where": change.indicator,
        "reference_share": round(change.reference, 4),
        "current_share": round(change.current, 4),
        "smallest_effect": signal.smallest_effect,
        "p_value": round(p, 6),
        "adjusted_p_value": round(adjusted, 6),
        "significant": significant,
        "alarm": significant and change.effect >= signal.smallest_effect,
    }


def _reason(signals: dict[str, Any], alarms: dict[str, Any], params: Params) -> str:
    changed = {name: signal for name, signal in signals.items() if signal["significant"]}
    if not changed:
        return f"none of {len(signals)} signals moved by more than chance explains at the {params.level * 100:g}% level"
    name, most = max(
        (alarms or changed).items(), key=lambda item: item[1]["effect"] / max(item[1]["smallest_effect"], 1e-9)
    )
    example = f"{name} ({most['where']}: {most['reference_share']:.0%} of rows before, {most['current_share']:.0%} now)"
    if not alarms:
        count = _count(changed, signals)
        return f"{count} moved significantly, but by less than drift.smallest_effect; most of all {example}"
    return f"{_count(alarms, signals)} moved enough for an alarm; most of all {example}"


def _count(some: dict[str, Any], signals: dict[str, Any]) -> str:
    return f"{len(some)} of {len(signals)} signals"


def _verdict(
    drifted: bool | None, significant: bool | None, reason: str, params: Params, rows: dict[str, int], signals: Verdict
) -> Verdict:
    return {
        "drifted": drifted,
        "significant": significant,
        "reason": reason,
        "level": params.level,
        "permutations": params.permutations,
        "rows": rows,
        "signals": signals,
        "detectable_effect": None,
        "distances": None,
        "performance": NOT_KNOWN,
        "change": None,
        "quality": None,
        "segments": [],
    }
