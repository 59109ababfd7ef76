"""The findings on the model, the current data and the quarantined rows, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.core.paths import WindowName
from tasks.recommendation import accuracy, recommendation
from tasks.report import standing
from tasks.report.inputs import Inputs, Record
from tasks.report.phrases import count, figure, percent, points, signed

SHIP = "to ship the baseline, set `model.family: linear` in params.yaml and run `driftline run`"
Tone = Literal["good", "notice", "bad", "silent"]

MAX_UNKNOWN = 0.05  # share of unknown tokens; above, the checkpoint probably does not know the language
MAX_QUARANTINED = 0.05  # share of quarantined rows; above, somebody should look why
MAX_CALIBRATION_ERROR = 0.05
MAX_RISE = 1.02  # validation loss over its lowest; above, the training overfits
STILL_FALLING = 0.95  # validation loss over that of the epoch before; below, more epochs would lower it further


@dataclass(frozen=True)
class Finding:
    """One of the three verdicts."""

    about: str
    tone: Tone
    title: str
    """A few words."""
    text: str
    """The figures behind it."""
    clause: str
    """The same as half a sentence."""


@dataclass(frozen=True)
class Step:
    """Something to do; `code` stands between backticks."""

    text: str
    page: tuple[str, str] | None = None
    """Where to look: its name and its path from ``reports/``."""


def findings(inputs: Inputs) -> tuple[Finding, Finding, Finding]:
    """The findings on the model, on drift and on quarantined rows."""
    model = the_baseline(inputs.evaluate) if inputs.is_linear else on_model(inputs.evaluate, inputs.reads == "text")
    return model, on_drift(inputs.drift), on_data(inputs.validate)


def headline(model: Finding, drift: Finding) -> str:
    """Both in one sentence; two where the first says what to do."""
    if SHIP in model.clause:
        return f"{model.clause}. {drift.clause[:1].upper()}{drift.clause[1:]}."
    joint = "and" if (model.tone == "good") == (drift.tone == "good") else "but"
    return f"{model.clause}, {joint} {drift.clause}."


def the_baseline(evaluate: Record) -> Finding:
    """A linear model: it is the baseline, or differs from it by its settings."""
    low, high = evaluate["intervals"]["difference"]
    if low == high == 0:
        text = f"{_reached(evaluate)} It is the baseline itself: n-grams, tuned on validation rows."
        clause = f"The model is linear and reaches {figure(evaluate['macro_f1'])} in macro-F1"
        tone, title, clause = _overruled(evaluate) or ("good", "A linear model", clause)
        return Finding("Model", tone, title, _with_sentences(text, evaluate), clause)
    return on_model(evaluate)


def _reached(evaluate: Record) -> str:
    own = evaluate["intervals"]["macro_f1"]
    words = (
        f"Macro-F1 is {figure(evaluate['macro_f1'])} on {count(evaluate['rows'])} test rows that the model never saw "
        f"(95 % interval {figure(own[0])} to {figure(own[1])})."
    )
    return " ".join(filter(None, [words, standing.steps_off(evaluate)]))


def _with_sentences(text: str, evaluate: Record) -> str:
    return " ".join([text, *filter(None, [standing.by_others(evaluate)]), *standing.sentences(evaluate)])


def on_model(evaluate: Record, can_ship: bool = False) -> Finding:
    """The model against the baseline: the 95 % interval of the paired difference decides, unless the model has
    collapsed or is not shown to beat the majority. ``can_ship``: whether the baseline is a family that can be shipped
    instead."""
    low, high = evaluate["intervals"]["difference"]
    others = standing.others(evaluate)
    tone, title, clause = _overruled(evaluate) or _standing(low, high, others)
    if can_ship and tone != "good" and (high < 0 or not others.better):
        clause = f"{clause}: {SHIP}"
    text = (
        f"{_reached(evaluate)} The baseline reaches "
        f"{figure(evaluate['baseline']['macro_f1'])} on the same rows; the difference is "
        f"{signed(evaluate['difference'])} ({signed(low)} to {signed(high)})."
    )
    return Finding("Model", tone, title, _with_sentences(text, evaluate), clause)


def _overruled(evaluate: Record) -> tuple[Tone, str, str] | None:
    """What is worse than any difference to the baseline."""
    if found := standing.collapse(evaluate):
        share = percent(found.predicted, 0)
        return "bad", "Collapsed", f"The model has collapsed: it says “{found.label}” to {share} of the rows"
    if (most := standing.majority(evaluate)) and standing.no_better_than_majority(evaluate):
        said = f"The model is not shown to be better than always answering “{most.label}”"
        return "bad", f"Not shown to beat always answering “{most.label}”", said
    return None


def _standing(low: float, high: float, others: standing.Others) -> tuple[Tone, str, str]:
    if low > 0:
        return "good", "Better than the baseline", "The model is better than the baseline"
    if high < 0:
        return "bad", "Worse than the baseline", "The baseline is better than the model"
    if others.worse and others.better:
        said = f"worse than the baseline by {standing.listed(others.worse)}, better by {standing.listed(others.better)}"
        return "notice", "The measures contradict each other", f"The model is {said}, and not told apart by macro-F1"
    if others.worse:
        said = f"The model is worse than the baseline by {standing.listed(others.worse)}, and not better by macro-F1"
        return "bad", "Worse than the baseline", said
    if others.better:
        said = f"The model is better than the baseline by {standing.listed(others.better)}, but not by macro-F1"
        return "notice", "Not better by macro-F1", said
    return (
        "notice",
        "Not significantly better than the baseline",
        "The model is not significantly better than the baseline",
    )


def on_drift(drift: Record) -> Finding:
    """The verdict of ``drift``, and what became of the accuracy."""
    reason: str = drift["reason"]
    found = accuracy(drift)
    text = " ".join(filter(None, [found.text, f"{reason[:1].upper()}{reason[1:]}."]))
    clause = recommendation(drift)
    if drift["drifted"] is None:
        return Finding("Drift", "silent", "Cannot be told", text, clause)
    if found.answer == "lost":
        return Finding("Drift", "bad", "Accuracy fell", text, clause)
    held = found.answer == "held"
    if drift["drifted"]:
        return Finding(
            "Drift", "notice" if held else "bad", "Changed, accuracy held" if held else "Changed", text, clause
        )
    if drift["significant"]:
        return Finding("Drift", "notice", "Changed, by less than counts", text, clause)
    return Finding("Drift", "good", "As before", text, clause)


def on_data(validate: Mapping[WindowName, Record]) -> Finding:
    """How many rows were quarantined."""
    rows, held = (sum(window[name] for window in validate.values()) for name in ("rows", "quarantined"))
    if not held:
        return Finding("Data", "good", "Every row passed", f"All {count(rows)} rows met the rules.", "")
    parts = [
        f"{count(its['quarantined'])} of {count(its['rows'])} {window} rows ({percent(its['share_quarantined'])})"
        for window, its in validate.items()
        if its["rows"]
    ]
    text = f"Quarantined: {' and '.join(parts)}. None was dropped or repaired."
    worst = max(window["share_quarantined"] for window in validate.values())
    tone: Tone = "notice" if worst > MAX_QUARANTINED else "good"
    return Finding("Data", tone, f"{count(held)} row{'s' * (held != 1)} quarantined", text, "")


def steps(inputs: Inputs, model: Finding, drift: Finding, data: Finding) -> list[Step]:
    """What to do next, the most important first."""
    found = [
        *_about_model(model, inputs.is_linear),
        *_about_gap(inputs.drift),
        *_about_drift(drift),
        *_about_data(inputs, data),
        *_about_confidence(inputs.evaluate),
        *_about_behaviour(inputs.evaluate),
        *_about_training(inputs),
    ] or [Step("Nothing here is a reason not to use this model. Run again with the next window.")]
    if inputs.is_linear:
        found.append(
            Step("To see whether a transformer is better on these rows: `driftline preset transformer`, then run.")
        )
    return found


def _about_model(model: Finding, linear: bool) -> Iterator[Step]:
    if model.tone == "bad" and "than the baseline" in model.title:
        better = (
            "Take `model.config` out of params.yaml, which then fits what the baseline is."
            if linear
            else "Ship it, or train longer, use more of each text (`finetune`, `tokenize.max_length`), or choose a "
            "larger checkpoint."
        )
        yield Step(f"Do not use this model: the baseline is significantly better, and costs next to nothing. {better}")
    elif model.tone == "bad":
        then = (
            "whether the texts say what they ask for; more labelled rows may settle it"
            if linear
            else "`finetune.learning_rate` and `finetune.epochs`"
        )
        yield Step(
            "Do not use this model: it is not shown to tell the labels apart better than a constant answer. Look at "
            f"the labels first, then at {then}.",
            ("Labels that look wrong", "explained.html"),
        )
    if model.tone == "notice" and linear:
        yield Step(
            "Decide whether `model.config` is worth keeping: chance alone explains its difference to the baseline."
        )
    elif model.tone == "notice":
        yield Step(
            "Decide whether the model is worth its cost: chance alone explains its difference to the baseline. More "
            "test rows would detect a smaller difference; a larger checkpoint or more of each text may do better."
        )


def _about_gap(drift: Record) -> Iterator[Step]:
    beside = drift["performance"].get("beside_baseline")
    if beside and beside["interval"]["macro_f1"][1] < 0:
        yield Step(
            f"On the labelled current rows the baseline is better by {figure(-beside['difference']['macro_f1'])} in "
            "macro-F1: look at the section on drift before you keep this model."
        )


def _about_confidence(evaluate: Record) -> Iterator[Step]:
    if evaluate["calibration_error"] > MAX_CALIBRATION_ERROR:
        off = points(evaluate["calibration_error"]).lstrip("+")
        yield Step(
            f"Set no threshold on the confidences yet: they are off the accuracy by {off} percentage points on average."
        )


def _about_behaviour(evaluate: Record) -> Iterator[Step]:
    below = [its["name"] for its in evaluate["behaviour"] if its["target_met"] is False]
    if below:
        yield Step(
            f"Read the texts that fail a behavioural test: {'; '.join(below)}. Training on such texts may help.",
            ("The texts", "behaviour_failed.csv"),
        )


def _about_training(inputs: Inputs) -> Iterator[Step]:
    losses = [line["validation_loss"] for line in inputs.curves if "validation_loss" in line]
    best = losses.index(min(losses)) + 1 if losses else 0
    if best < len(losses) and losses[-1] > MAX_RISE * losses[best - 1]:
        yield Step(
            f"Try fewer epochs (`finetune.epochs`): validation loss was lowest after {best} of {len(losses)} and has "
            "risen since."
        )
    if best == len(losses) > 1 and losses[-1] < STILL_FALLING * losses[-2]:
        yield Step(
            f"Train longer (`finetune.epochs`): validation loss still fell from {figure(losses[-2])} to "
            f"{figure(losses[-1])} in the last of {len(losses)} epochs, so the model is under-trained."
        )
    unknown = inputs.tokenize["test"].get("unknown_share", 0.0)
    if unknown > MAX_UNKNOWN:
        yield Step(f"Choose a checkpoint that knows this language or script: {percent(unknown)} of tokens are unknown.")


def _about_drift(drift: Finding) -> Iterator[Step]:
    if drift.tone == "bad":
        yield Step(
            "Read which signals moved, and the example texts. If the change is permanent, label some current rows and "
            "refit: extend `windows.reference` of params.yaml to them, move `windows.current` on, and run "
            "`driftline run`.",
            ("Drift report", "drift.html"),
        )
    if drift.tone == "notice" and "held" in drift.title:
        yield Step("Nothing is lost on the current rows; see what changed.", ("Drift report", "drift.html"))
    elif drift.tone == "notice":
        text = "Watch the signals that moved: the change is significant, but smaller than `drift.smallest_effect`."
        yield Step(text, ("Drift report", "drift.html"))
    if drift.tone == "silent":
        yield Step(f"Drift was not tested. {drift.text} `windows` in params.yaml says which rows are compared.")


def _about_data(inputs: Inputs, data: Finding) -> Iterator[Step]:
    if data.tone == "notice":
        worst = max(inputs.validate, key=lambda window: inputs.validate[window]["share_quarantined"])
        yield Step(
            "See why rows were quarantined. If they should have passed, change the rule in `validate`; if not, correct "
            "them at the source.",
            ("Data Docs", f"data_docs/{worst}/index.html"),
        )
