"""The verdict: every check, its figures, and the reason in plain words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.core.errors import UserError
from tasks.gate import CANNOT_TELL, KEEP, PROMOTE, Params
from tasks.gate.calibration import calibration_check
from tasks.gate.difference import LEVEL, METHOD, POWER, Difference, measure_difference
from tasks.gate.paired import CHALLENGER, CHAMPION, Paired, pair_cells
from tasks.gate.slices import slice_check
from tasks.gate.tables import Pair
from tasks.statistics.measures import COVERAGE

DIGITS = 6
MAX_REUSE = 20
"""Decisions on one test set from which the verdict warns that it is overused."""


def extra_columns(section: Params) -> set[str]:
    """The columns that the section needs beside the predictions."""
    return {*section.slices, *([section.group] if section.group else [])}


def gate_verdict(pair: Pair, section: Params, seed: int, earlier: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Whether the challenger is promoted, why, and all figures; ``earlier`` verdicts count the reuse of the rows.

    The same rows, whatever their order, section and seed give the same verdict.
    """
    if len(set(pair.truth)) < 2:
        raise UserError(f"all {len(pair.ids)} rows are labelled {pair.truth[0]}: macro-F1 needs rows of two labels")
    if section.group and section.group not in pair.columns:
        raise UserError(f"gate.group: no table has the column {section.group!r}: name one that they have")
    groups = pair.columns[section.group] if section.group else None
    both = pair_cells(pair.truth, pair.champion.predicted, pair.challenger.predicted, groups, pair.written)
    found = measure_difference(both, seed, section.resamples)
    by_slice, calibrated = slice_check(pair, section), calibration_check(pair, section, seed)
    checks = {
        "difference": found.passes(section),
        "slices": not by_slice["worse"] if by_slice["tested"] else None,
        "calibration": calibrated["passes"],
    }
    reuse = holdout_reuse(pair, earlier)
    promote = all(check is not False for check in checks.values())
    others = [check for name, check in checks.items() if name != "difference"]
    undecided = found.undecided(section) and False not in others
    return {
        "promote": promote,
        "outcome": PROMOTE if promote else CANNOT_TELL if undecided else KEEP,
        "reason": " ".join(_sentences(found, section, by_slice, calibrated, reuse, len(pair.ids))),
        "rule": section.rule,
        "margin": section.margin if section.rule == "not_worse" else None,
        "level": LEVEL,
        "checks": checks,
        "rows": len(pair.ids),
        "units": int(both.unit_counts.sum()),
        "differing": sum(a != b for a, b in zip(pair.champion.predicted, pair.challenger.predicted, strict=True)),
        "champion": _of(both, CHAMPION),
        "challenger": _of(both, CHALLENGER),
        "difference": _difference(found, section),
        "detectable_effect": {
            "difference": _rounded(found.detectable),
            "power": POWER,
            "method": METHOD,
            "rows_for_margin": found.rows_to_detect_margin(len(pair.ids), section),
        },
        "slices": by_slice,
        "calibration": calibrated,
        "holdout_reuse": reuse,
    }


def holdout_reuse(pair: Pair, earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Which rows these are, by a hash of ids and labels, and how many earlier verdicts were on them."""
    rows = [json.dumps(row) for row in zip(pair.ids, pair.truth, strict=True)]
    key = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    before = sum(_holdout_key(one) == key for one in earlier)
    return {"key": key, "earlier_decisions": before, "overused": before >= MAX_REUSE}


def _holdout_key(verdict: Mapping[str, Any]) -> str | None:
    """Verdicts of earlier releases hold it under ``test_rows``."""
    rows = verdict.get("holdout_reuse") or verdict.get("test_rows") or {}
    key: str | None = rows.get("key")
    return key


def _of(both: Paired, model: int) -> dict[str, float]:
    counts = both.cells.counts[None]
    figures = {"accuracy": both.cells.accuracy(model, counts), "macro_f1": both.cells.macro_f1(model, counts)}
    return {name: round(float(value[0]), DIGITS) for name, value in figures.items()}


def _difference(found: Difference, section: Params) -> dict[str, Any]:
    figures = {
        "macro_f1": found.value,
        "interval": [found.low, found.high],
        "standard_error": found.standard_error,
        "p_value": found.p_value,
    }
    if section.rule == "not_worse":
        figures["pass_rate_if_equal"] = found.pass_rate_if_equal(section)
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return None if value is None else round(value, DIGITS)


def _sentences(
    found: Difference,
    section: Params,
    by_slice: dict[str, Any],
    calibrated: dict[str, Any],
    reuse: dict[str, Any],
    rows: int,
) -> Iterator[str]:
    """The reason, a sentence at a time."""
    yield _of_rule(found, section)
    if by_slice["worse"]:
        yield f"It is significantly worse where {', '.join(by_slice['worse'])}."
    if missing := by_slice.get("missing_columns"):
        yield f"No row has the column {', '.join(missing)} of gate.slices: nothing was tested by it."
    if few := len(by_slice["too_few_rows"]):
        yield f"{few} slice{'s' * (few > 1)} with fewer than {section.min_slice_rows} rows not tested."
    if calibrated["passes"] is not True:
        yield f"Calibration: {calibrated['reason']}."
    yield _of_power(found, section)
    if found.undecided(section):
        more = (found.rows_to_detect_margin(rows, section) or rows) - rows
        yield (
            f"{rows:,} rows are too few to tell: about {more:,} more labelled test rows would detect a difference of "
            f"{section.margin:g} (gate.margin); label rows of the newest window, or allow a larger margin."
        )
    if reuse["overused"]:
        yield (
            f"Warning: {reuse['earlier_decisions']} earlier decisions used these test rows, so the challenger may fit "
            "them by chance. Evaluate on new rows."
        )


def _of_rule(found: Difference, section: Params) -> str:
    words = (
        f"The challenger's macro-F1 is {found.value:+.4f} against the champion's "
        f"(paired {COVERAGE:.0%} interval {found.low:+.4f} to {found.high:+.4f})"
    )
    passes = found.passes(section)
    if section.rule == "not_worse":
        return f"{words}: {'not' if passes else 'perhaps'} worse by {section.margin:g} or more."
    if not passes and found.low > 0:
        return f"{words}, but so few predictions differ that this happens by chance in {found.p_value:.1%} of cases."
    return f"{words}: {'better' if passes else 'not shown to be better'}."


def _of_power(found: Difference, section: Params) -> str:
    if found.detectable is None:
        return "Both models predict the same for every row: these rows show no difference."
    words = (
        f"With {POWER:.0%} power these rows detect a difference of {found.detectable:.4f}; one that is no better is "
        f"promoted with a probability of at most {LEVEL:.1%}."
    )
    if section.rule == "not_worse":
        words = (
            f"With {POWER:.0%} power these rows detect a difference of {found.detectable:.4f}; one that is worse by "
            f"{section.margin:g} passes with a probability of about {LEVEL:.1%}, one exactly as good of "
            f"{found.pass_rate_if_equal(section):.0%}."
        )
    return words
