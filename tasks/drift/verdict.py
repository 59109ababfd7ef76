"""The verdict: which signals moved, whether any is significant, and whether it is worth waking someone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.drift import Params
from tasks.drift.detectable_effect import past_windows, sight
from tasks.drift.performance import NOTHING, change, performance
from tasks.drift.permutation import Population, Signal
from tasks.drift.quality import quality
from tasks.drift.rows import Rows
from tasks.drift.signals import group_codes, populations
from tasks.drift.testing import Move, Tested, adjusted, p_values, permuted

Verdict = dict[str, Any]


def judge(
    reference: Rows,
    current: Rows,
    params: Params,
    seed: int,
    extra: tuple[Population, ...] = (),
    trained_on: pa.Array | None = None,
) -> Verdict:
    """Compare two sides on every signal both have, and on ``extra`` populations such as the quarantine's.

    ``trained_on``: the texts of the training rows, to tell how many of the current ones they hold already.

    ``significant``: a permutation test over all signals together found one, at the family-wise level. ``drifted``: a
    significant signal also moved by its smallest effect. Both are None, with the reason, where nothing can be said.
    """
    rows = {"reference": reference.count, "current": current.count}
    silent = _silent(reference, current, params)
    found = [] if silent else [*populations(reference, current, params.smallest_effect, seed), *extra]
    if not found:
        return _verdict(None, None, silent or "the two sides share no column that can be compared", params, rows, {})
    tested = tests(found, params, seed)
    signals = findings(found, tested, params)
    significant = any(signal["significant"] for signal in signals.values())
    alarms = {name: signal for name, signal in signals.items() if signal["alarm"]}
    beside = {
        "sight": sight(found[0], tested, past_windows(reference, current, params.minimum_rows), current, params),
        "performance": performance(reference, current, seed),
        "change": change(reference, current, signals, seed),
        "quality": quality(reference, current, trained_on),
    }
    return _verdict(bool(alarms), significant, _sentence(signals, alarms, params), params, rows, signals) | beside


def _silent(reference: Rows, current: Rows, params: Params) -> str | None:
    """Why there can be no verdict, if so."""
    if current.count == 0:
        return "no current data"
    for name, side in (("reference", reference), ("current", current)):
        what, count = ("rows", side.count)
        if side.groups is not None:
            what, count = ("groups", len(np.unique(group_codes(side.groups))))
        if count < params.minimum_rows:
            return f"only {count} {name} {what}: at least {params.minimum_rows} are needed for a verdict"
    return None


def tests(found: list[Population], params: Params, seed: int) -> list[Tested]:
    """Permute every population."""
    return [permuted(population, params.permutations, (seed, 2, i)) for i, population in enumerate(found)]


def findings(found: list[Population], tested: list[Tested], params: Params) -> dict[str, Any]:
    """What the verdict says of each signal, corrected over all of them."""
    statistics = np.hstack([one.scores for one in tested])
    p = p_values(statistics)
    family_wise = adjusted(p)
    signals = [signal for population in found for signal in population.signals]
    moves = [move for one in tested for move in one.moves]
    return {
        signal.name: _finding(signal, move, float(statistics[0, i]), float(p[0, i]), float(family_wise[i]), params)
        for i, (signal, move) in enumerate(zip(signals, moves, strict=True))
    }


def _finding(signal: Signal, move: Move, statistic: float, p: float, family_wise: float, params: Params) -> Verdict:
    significant = family_wise <= params.level
    return {
        "statistic": round(statistic, 4),
        "effect": round(move.effect, 4),
        "effect_is": "largest change in a share of rows",
        "where": move.question,
        "reference_share": round(move.reference, 4),
        "current_share": round(move.current, 4),
        "smallest_effect": signal.smallest_effect,
        "p_value": round(p, 6),
        "adjusted_p_value": round(family_wise, 6),
        "significant": significant,
        "alarm": significant and move.effect >= signal.smallest_effect,
    }


def _sentence(signals: dict[str, Any], alarms: dict[str, Any], params: Params) -> str:
    moved = {name: signal for name, signal in signals.items() if signal["significant"]}
    if not moved:
        return f"none of {len(signals)} signals moved by more than chance explains at the {params.level * 100:g}% level"
    name, most = max(
        (alarms or moved).items(), key=lambda item: item[1]["effect"] / max(item[1]["smallest_effect"], 1e-9)
    )
    example = f"{name} ({most['where']}: {most['reference_share']:.0%} of rows before, {most['current_share']:.0%} now)"
    if not alarms:
        return f"{_count(moved, signals)} moved, but by less than is worth an alarm; most of all {example}"
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
        "sight": None,
        "performance": NOTHING,
        "change": None,
        "quality": None,
    }
