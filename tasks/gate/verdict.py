"""The verdict: every check, its figures, and the reason in plain words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.core.errors import UserError
from tasks.gate import Params, calibration, slices
from tasks.gate.difference import LEVEL, METHOD, POWER, Difference, measure
from tasks.gate.paired import CHALLENGER, CHAMPION, Paired, paired
from tasks.gate.tables import Pair
from tasks.statistics.measures import COVERAGE

DIGITS = 6
OFTEN = 20
"""Decisions after which a test set has been looked at so often that it no longer judges new models fairly."""


def columns(section: Params) -> set[str]:
    """The columns that the section asks for, beside the answers."""
    return {*section.slices, *([section.group] if section.group else [])}


def judge(pair: Pair, section: Params, seed: int, earlier: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Whether the challenger is promoted, why, and all figures; ``earlier`` are the verdicts that were given before.

    The same rows, whatever their order, section and seed give the same verdict.
    """
    if len(set(pair.truth)) < 2:
        raise UserError(f"all {len(pair.ids)} rows are labelled {pair.truth[0]!r}: macro-F1 needs rows of two labels")
    groups = pair.columns[section.group] if section.group else None
    both = paired(pair.truth, pair.champion.said, pair.challenger.said, groups)
    found = measure(both, seed, section.resamples)
    by_slice, calibrated = slices.judge(pair, section), calibration.judge(pair, section, seed)
    checks = {
        "difference": found.passes(section),
        "slices": not by_slice["worse"] if by_slice["tested"] else None,
        "calibration": calibrated["within"],
    }
    decided = test_rows(pair, earlier)
    return {
        "promote": all(check is not False for check in checks.values()),
        "reason": " ".join(_words(found, section, by_slice, calibrated, decided)),
        "rule": section.rule,
        "margin": section.margin if section.rule == "not_worse" else None,
        "level": LEVEL,
        "checks": checks,
        "rows": len(pair.ids),
        "units": int(both.many.sum()),
        "differing": sum(a != b for a, b in zip(pair.champion.said, pair.challenger.said, strict=True)),
        "champion": _of(both, CHAMPION),
        "challenger": _of(both, CHALLENGER),
        "difference": _difference(found, section),
        "resolvable": {"difference": _rounded(found.resolvable), "power": POWER, "method": METHOD},
        "slices": by_slice,
        "calibration": calibrated,
        "test_rows": decided,
    }


def test_rows(pair: Pair, earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Which rows these are, by a hash of ids and labels, and how often they have decided before."""
    rows = [json.dumps(row) for row in zip(pair.ids, pair.truth, strict=True)]
    key = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    before = sum(one.get("test_rows", {}).get("key") == key for one in earlier)
    return {"key": key, "decided_before": before, "worn": before >= OFTEN}


def _of(both: Paired, model: int) -> dict[str, float]:
    counts = both.cells.counts[None]
    figures = {"accuracy": both.cells.accuracy(model, counts), "macro_f1": both.cells.macro_f1(model, counts)}
    return {name: round(float(value[0]), DIGITS) for name, value in figures.items()}


def _difference(found: Difference, section: Params) -> dict[str, Any]:
    figures = {
        "macro_f1": found.value,
        "interval": [found.low, found.high],
        "standard_error": found.standard_error,
        "chance": found.chance,
    }
    if section.rule == "not_worse":
        figures["passes_if_equal"] = found.chance_if_equal(section)
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return None if value is None else round(value, DIGITS)


def _words(
    found: Difference, section: Params, by_slice: dict[str, Any], calibrated: dict[str, Any], decided: dict[str, Any]
) -> Iterator[str]:
    """The reason, a sentence at a time."""
    yield _of_rule(found, section)
    if by_slice["worse"]:
        yield f"It is significantly worse where {', '.join(by_slice['worse'])}."
    if few := len(by_slice["too_few_rows"]):
        yield f"{few} slice{'s' * (few > 1)} with fewer than {section.slice_rows} rows not judged."
    if calibrated["within"] is not True:
        yield f"Calibration: {calibrated['words']}."
    yield _of_power(found, section)
    if decided["worn"]:
        yield (
            f"Warning: these test rows have decided {decided['decided_before']} times before; what passes now may fit "
            "them by chance. Judge on new rows."
        )


def _of_rule(found: Difference, section: Params) -> str:
    said = (
        f"The challenger's macro-F1 is {found.value:+.4f} against the champion's "
        f"(paired {COVERAGE:.0%} interval {found.low:+.4f} to {found.high:+.4f})"
    )
    passes = found.passes(section)
    if section.rule == "not_worse":
        return f"{said}: {'not' if passes else 'perhaps'} worse by {section.margin:g} or more."
    if not passes and found.low > 0:
        return f"{said}, but so few answers differ that chance shows as much in {found.chance:.1%} of cases."
    return f"{said}: {'better' if passes else 'not shown to be better'}."


def _of_power(found: Difference, section: Params) -> str:
    if found.resolvable is None:
        return "Both answer every row alike: these rows cannot tell them apart."
    words = (
        f"With {POWER:.0%} power these rows resolve a difference of {found.resolvable:.4f}; one that is no better is "
        f"promoted with a chance of at most {LEVEL:.1%}."
    )
    if section.rule == "not_worse":
        words = (
            f"With {POWER:.0%} power these rows resolve a difference of {found.resolvable:.4f}; one that is worse by "
            f"{section.margin:g} passes with a chance of about {LEVEL:.1%}, one exactly as good of "
            f"{found.chance_if_equal(section):.0%}."
        )
    return words
