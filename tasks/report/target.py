"""The targets that were stated, and whether the model meets them."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.report.inputs import Record
from tasks.report.phrases import count, figure
from tasks.report.standing import listed
from tasks.report.verdict import Finding, Tone

TITLES: dict[bool | None, tuple[str, Tone]] = {
    True: ("Met", "good"),
    False: ("Missed", "bad"),
    None: ("Reached, but not for sure", "notice"),
}


def met(evaluate: Record, least: float) -> bool | None:
    """Whether macro-F1 is at least so large: by its 95 % interval; None where the interval holds the target."""
    low, high = evaluate["intervals"]["macro_f1"]
    return True if low >= least else False if high < least else None


def on_target(evaluate: Record, least: float | None) -> Finding:
    """What became of ``report.target_macro_f1`` and the targets of ``behaviour.yaml``."""
    stated = [its for its in evaluate["behaviour"] if its.get("at_least") is not None]
    missed = tuple(its["name"] for its in stated if its["target_met"] is False)
    tests = _on_tests(stated, missed)
    if least is None:
        title: tuple[str, Tone] = ("A test missed", "notice") if missed else ("None stated", "silent")
        text = f"No macro-F1 is asked for: `report.target_macro_f1` in params.yaml states one. {tests}".strip()
        return Finding("Target", title[1], title[0], text, "")
    low, high = evaluate["intervals"]["macro_f1"]
    answer = met(evaluate, least)
    title = (
        TITLES[answer]
        if answer is not None or evaluate["macro_f1"] >= least
        else ("Below, by chance perhaps", "notice")
    )
    if answer is True and missed:
        title = ("Macro-F1 met, a test missed", "notice")
    reached = f"{figure(evaluate['macro_f1'])} ({figure(low)} to {figure(high)})"
    text = f"Macro-F1 of at least {figure(least)}: {reached}. {tests}".strip()
    return Finding("Target", title[1], title[0], text, "")


def _on_tests(stated: Sequence[Record], missed: Sequence[str]) -> str:
    if not stated:
        return ""
    kept = sum(its["target_met"] is True for its in stated)
    words = f"{count(kept)} of {count(len(stated))} behavioural tests meet theirs"
    return f"{words}; missed: {listed(tuple(missed))}." if missed else f"{words}."
