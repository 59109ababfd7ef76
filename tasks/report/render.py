"""``reports/index.html`` from what the stages wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.core.paths import WINDOWS
from tasks.html.templates import environment
from tasks.report import Params, answers, charts, phrases, tables, timeline, verdict
from tasks.report.emissions import emissions
from tasks.report.inputs import Inputs, Record
from tasks.report.target import on_target

# The page may style itself and show the pictures that are in it, and nothing else: no script, no request.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

PAGE = Path(__file__).parent / "page"

MEASURES = {
    "macro_f1": "Macro-F1",
    "micro_f1": "Micro-F1",
    "accuracy": "Accuracy",
    "mean_absolute_error": "Mean absolute error, in steps",
    "quadratic_kappa": "Quadratic weighted kappa",
    "within_one_step": "Within one step",
    "mean_average_precision": "Mean average precision",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}
FILTERS = (
    phrases.count,
    phrases.figure,
    phrases.signed,
    phrases.percent,
    phrases.points,
    phrases.p_value,
    phrases.name,
    phrases.code,
)


def measure_titles(evaluate: Record) -> dict[str, str]:
    """The measures that were evaluated, with their titles; your own ones last."""
    own = {key: phrases.name(key).capitalize() for key in evaluate["differences"] if key not in MEASURES}
    several = {"accuracy": "Subset accuracy"} if evaluate.get("task") == "multi_label" else {}
    return {key: title for key, title in (MEASURES | own | several).items() if key in evaluate}


def render(inputs: Inputs, section: Params) -> str:
    """The whole page."""
    return (
        environment(PAGE, FILTERS)
        .get_template("page.html")
        .render(
            policy=POLICY,
            section=section,
            windows=WINDOWS,
            kind=phrases.of(inputs.reads, inputs.is_linear, inputs.general.task),
            **_verdict(inputs, section),
            **_model(inputs, section),
            **_answers(inputs),
            **_data(inputs, section),
            **_drift(inputs),
            **_foot(inputs),
        )
    )


def render_cost(cost: Record, section: Params) -> str:
    """The page of what the training cost, which is no output of DVC's: two runs of the same inputs differ in it."""
    lines = phrases.facts({key: value for key, value in cost.items() if key != "energy_kwh"})
    template = environment(PAGE, FILTERS).get_template("cost.html")
    return template.render(policy=POLICY, cost=list(lines), energy=emissions(cost, section.country))


def _verdict(inputs: Inputs, section: Params) -> dict[str, Any]:
    model, drift, data = verdict.findings(inputs)
    return {
        "headline": verdict.headline(model, drift),
        "findings": (model, drift, data),
        "cards": (on_target(inputs.evaluate, section.target_macro_f1), model, drift, data),
        "strip": timeline.accuracy_strip(inputs),
        "origin": phrases.origin(inputs.general.model),
        "sources": list(inputs.ingest["reference"].get("files") or ()),
        "steps": verdict.steps(inputs, model, drift, data),
    }


def _model(inputs: Inputs, section: Params) -> dict[str, Any]:
    evaluate = inputs.evaluate
    baseline, of = evaluate["baseline"], evaluate["intervals"]
    return {
        "evaluate": evaluate,
        "chosen": phrases.chosen(inputs.baseline),
        "measures": measure_titles(evaluate),
        "diagram": charts.reliability(evaluate["reliability"]["bins"]),
        "intervals": charts.intervals(
            [
                ("Model", evaluate["macro_f1"], of["macro_f1"]),
                ("Baseline", baseline["macro_f1"], of["baseline"]["macro_f1"]),
            ]
        ),
        "classes": tables.classes(evaluate["classes"], section.max_listed),
        "slices": tables.slices(evaluate["slices"]),
        "confused": tables.confused(evaluate["confusion"]),
        "curve_records": inputs.curves,
        "curves": charts.curves(inputs.curves),
        "tokenize": inputs.tokenize,
        "temperature": inputs.finetune["temperature"],
        "calibration": inputs.finetune.get("calibration"),
        "tried": inputs.finetune.get("tried", ()),
        "decision": inputs.finetune.get("decision"),
    }


def _answers(inputs: Inputs) -> dict[str, Any]:
    if inputs.answers is None:
        return {"mistaken": {}, "trade_off": [], "label_curves": []}
    f1 = {label: its["f1"] for label, its in inputs.evaluate["classes"].items()}
    return {
        "mistaken": answers.mistaken(inputs.answers),
        "trade_off": answers.trade_off(inputs.answers),
        "label_curves": answers.curves(inputs.answers, f1, inputs.cells),
    }


def _data(inputs: Inputs, section: Params) -> dict[str, Any]:
    ranges = {window: phrases.window_range(getattr(inputs.windows, window)) for window in WINDOWS}
    followed, shares = timeline.label_shares(inputs)
    return {
        "followed": followed,
        "shares": shares,
        "ranges": ranges,
        "validate": inputs.validate,
        "split": inputs.split,
        "balances": tables.balances(inputs),
        "labels": tables.labels(inputs, section.max_listed),
        "reasons": tables.reasons(inputs, section.examples),
    }


def _drift(inputs: Inputs) -> dict[str, Any]:
    signals = sorted(
        inputs.drift["signals"].items(),
        key=lambda pair: (not pair[1]["alarm"], not pair[1]["significant"], -pair[1]["effect"]),
    )
    return {"drift": inputs.drift, "signals": signals, "beside": inputs.drift["performance"].get("beside_baseline")}


def _foot(inputs: Inputs) -> dict[str, Any]:
    model = inputs.general.model
    return {
        "checkpoint": phrases.checkpoint(model),
        "seed": inputs.general.seed,
        "trained": list(phrases.facts(inputs.finetune)),
    }
