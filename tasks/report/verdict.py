"""The verdict in words: what to think of the model, the current data and the rows held back, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.core.paths import Window
from tasks.report.inputs import Inputs, Record
from tasks.report.phrases import count, figure, percent, points, signed

Tone = Literal["good", "notice", "bad", "silent"]

MANY_UNKNOWN = 0.05  # share of tokens from which a checkpoint probably does not know the language
MANY_QUARANTINED = 0.05  # share of rows from which somebody should look why
LARGE_MISCALIBRATION = 0.05
RISEN = 1.02  # validation loss over its lowest from which a training went on for too long


@dataclass(frozen=True)
class Finding:
    """One of the three verdicts."""

    about: str
    tone: Tone
    title: str
    """A few words."""
    text: str
    """What they rest on."""
    clause: str
    """The same as half a sentence."""


@dataclass(frozen=True)
class Step:
    """Something to do; `code` stands between backticks."""

    text: str
    page: tuple[str, str] | None = None
    """Where to look: its name and its path from ``reports/``."""


def findings(inputs: Inputs) -> tuple[Finding, Finding, Finding]:
    """What to think of the model, of drift and of the rows held back."""
    return on_model(inputs.evaluate), on_drift(inputs.drift), on_data(inputs.validate)


def headline(model: Finding, drift: Finding) -> str:
    """Both in one sentence."""
    joint = "and" if (model.tone == "good") == (drift.tone == "good") else "but"
    return f"{model.clause}, {joint} {drift.clause}."


def on_model(evaluate: Record) -> Finding:
    """The model against the baseline: the 95 % interval of the paired difference decides."""
    low, high = evaluate["intervals"]["difference"]
    tone, title, clause = _standing(low, high)
    own = evaluate["intervals"]["macro_f1"]
    text = (
        f"Macro-F1 is {figure(evaluate['macro_f1'])} on {count(evaluate['rows'])} test rows that the model never saw "
        f"(95 % interval {figure(own[0])} to {figure(own[1])}). The baseline reaches "
        f"{figure(evaluate['baseline']['macro_f1'])} on the same rows; the difference is "
        f"{signed(evaluate['difference'])} ({signed(low)} to {signed(high)})."
    )
    return Finding("Model", tone, title, text, clause)


def _standing(low: float, high: float) -> tuple[Tone, str, str]:
    if low > 0:
        return "good", "Better than the baseline", "The model is better than the baseline"
    if high < 0:
        return "bad", "Worse than the baseline", "The model is worse than the baseline"
    return "notice", "Not told apart from the baseline", "The model is not measurably better than the baseline"


def on_drift(drift: Record) -> Finding:
    """What ``drift`` decided, in words."""
    reason: str = drift["reason"]
    text = f"{reason[:1].upper()}{reason[1:]}."
    if drift["drifted"] is None:
        return Finding("Drift", "silent", "No verdict", text, "drift could not be judged")
    if drift["drifted"]:
        return Finding("Drift", "bad", "The data have drifted", text, "the data have drifted")
    if drift["significant"]:
        return Finding("Drift", "notice", "A change, too small for an alarm", text, "the data have changed a little")
    return Finding("Drift", "good", "No drift", text, "no drift was found")


def on_data(validate: Mapping[Window, Record]) -> Finding:
    """How many rows were held back."""
    rows, held = (sum(window[name] for window in validate.values()) for name in ("rows", "quarantined"))
    if not held:
        return Finding("Data", "good", "Every row passed", f"All {count(rows)} rows met the rules.", "")
    parts = [
        f"{count(its['quarantined'])} of {count(its['rows'])} {window} rows ({percent(its['share_quarantined'])})"
        for window, its in validate.items()
        if its["rows"]
    ]
    text = f"Held back: {' and '.join(parts)}. None was dropped or repaired."
    worst = max(window["share_quarantined"] for window in validate.values())
    tone: Tone = "notice" if worst > MANY_QUARANTINED else "good"
    return Finding("Data", tone, f"{count(held)} rows quarantined", text, "")


def steps(inputs: Inputs, model: Finding, drift: Finding, data: Finding) -> list[Step]:
    """What to do next, the weightiest first."""
    found = [
        *_about_model(model),
        *_about_drift(drift),
        *_about_data(inputs, data),
        *_about_confidence(inputs.evaluate),
        *_about_behaviour(inputs.evaluate),
        *_about_training(inputs),
    ]
    return found or [Step("Nothing here speaks against putting this model to work. Come back with the next window.")]


def _about_model(model: Finding) -> Iterator[Step]:
    if model.tone == "bad":
        yield Step(
            "Do not put this model to work: the baseline is better beyond chance, and costs next to nothing. Let it "
            "train longer or see more of each text (`finetune`, `tokenize.max_length`), or take a larger checkpoint."
        )
    if model.tone == "notice":
        yield Step(
            "Decide what the model is worth: on these rows chance alone could explain its distance to the baseline. "
            "More test rows would tell them apart; a larger checkpoint or more of each text may do better."
        )


def _about_confidence(evaluate: Record) -> Iterator[Step]:
    if evaluate["calibration_error"] > LARGE_MISCALIBRATION:
        off = points(evaluate["calibration_error"]).lstrip("+")
        yield Step(
            f"Set no threshold on the confidences yet: they miss the share of right answers by {off} percentage points "
            "on average."
        )


def _about_behaviour(evaluate: Record) -> Iterator[Step]:
    below = [its["name"] for its in evaluate["behaviour"] if its["target_met"] is False]
    if below:
        yield Step(
            f"Read where the model does not behave as asked: {'; '.join(below)}. Such texts among the training rows "
            "may mend it.",
            ("The texts", "behaviour_failed.csv"),
        )


def _about_training(inputs: Inputs) -> Iterator[Step]:
    losses = [line["validation_loss"] for line in inputs.curves if "validation_loss" in line]
    best = losses.index(min(losses)) + 1 if losses else 0
    if best < len(losses) and losses[-1] > RISEN * losses[best - 1]:
        yield Step(
            f"Try fewer epochs (`finetune.epochs`): validation loss was lowest after {best} of {len(losses)} and has "
            "risen since."
        )
    unknown = inputs.tokenize["test"].get("unknown_share", 0.0)
    if unknown > MANY_UNKNOWN:
        yield Step(f"Take a checkpoint that knows this language or script: {percent(unknown)} of tokens are unknown.")


def _about_drift(drift: Finding) -> Iterator[Step]:
    if drift.tone == "bad":
        yield Step(
            "Read what moved and the texts behind it. If it is there to stay, label some current rows and refit: let "
            "`windows.reference` in params.yaml reach over them, move `windows.current` on, and run `dvc repro`.",
            ("Drift report", "drift.html"),
        )
    if drift.tone == "notice":
        text = "Keep an eye on what moved: the change is real, but smaller than was declared to matter."
        yield Step(text, ("Drift report", "drift.html"))
    if drift.tone == "silent":
        yield Step(f"Drift was not judged. {drift.text} `windows` in params.yaml says which rows are compared.")


def _about_data(inputs: Inputs, data: Finding) -> Iterator[Step]:
    if data.tone == "notice":
        worst = max(inputs.validate, key=lambda window: inputs.validate[window]["share_quarantined"])
        yield Step(
            "See why rows were held back. If they should have passed, change the rule in `validate`; if not, mend them "
            "where they come from.",
            ("Data Docs", f"data_docs/{worst}/index.html"),
        )
