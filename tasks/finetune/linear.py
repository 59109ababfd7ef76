"""``model.family: linear``: fitted in one go, by the code that fits the baseline; nothing to resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.files import read_json, replacing_folder, write_json, write_metrics
from tasks.core.params import General
from tasks.core.rows import contents, inputs
from tasks.core.tables import columns_of, read_table
from tasks.finetune import Params, record
from tasks.modelling.linear import folder
from tasks.modelling.linear.choices import Settings
from tasks.modelling.linear.fitting import Labelled, Linear, fit
from tasks.modelling.targets.registry import TARGETS
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Target

READ = {"class_weights", "decision"}
REFUSED = {"activation", "augmentation", "dropout", "label_smoothing", "layers", "lora", "loss", "warm_start"}
"""What would be another model or another aim; how gradients go about it is left aside."""


def refuse_unfit(section: Params) -> None:
    """UserError for a set key that asks for what a linear model cannot be; one line for those that are not read."""
    default = Params()
    given = {name for name in section.model_fields_set if getattr(section, name) != getattr(default, name)}
    if unfit := sorted(given & REFUSED):
        raise UserError(f"finetune.{unfit[0]} is not for model.family: linear: remove it from params.yaml")
    if unread := sorted(given - READ):
        print(f"not read for a linear model: {', '.join(f'finetune.{name}' for name in unread)}", flush=True)


def read_rows(tokens: Path, name: str, labels: int, target: Target) -> Labelled:
    """The texts of a split and their truth."""
    file = tokens / f"{name}.parquet"
    table = read_table(file, [*inputs(columns_of(file)), "label"])
    return Labelled(contents(table), target.read(table["label"], labels))


def train(
    tokens: Path,
    settings: Mapping[str, Any],
    section: Params,
    seed: int,
    classifier: Path,
    target: Target = SINGLE_LABEL,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit to the texts in ``tokens`` and write the folder ``classifier``; the metrics and the cost."""
    refuse_unfit(section)
    choices, labels, begin = (
        params.parse(Settings, settings, "model.config", paths.PARAMS),
        read_json(tokens / "labels.json")["labels"],
        perf_counter(),
    )
    section.decision.refuse_unknown(labels)
    rows, validation = (read_rows(tokens, name, len(labels), target) for name in ("train", "validation"))
    fitted = fit(
        rows, validation, labels, choices, seed, axes=choices.axes, balanced=section.class_weights, target=target
    )
    held_out, seen = fitted.logits(validation.texts), fitted.logits(rows.texts)
    decision = target.choose(target.probabilities(held_out), validation.labels, labels, section.decision)
    with replacing_folder(classifier) as part:
        folder.write(fitted, part, {"decision": decision} if decision else None)
    losses = {
        "train_loss": target.loss(seen, rows.labels),
        "validation_loss": target.loss(held_out, validation.labels),
    }
    metrics = {
        "labels": labels,
        "steps": 0,
        **fitted.calibration.figures(labels),
        "parameters": _parameters(fitted),
        **{name: round(value, 6) for name, value in losses.items()},
        "validation_accuracy": round(target.accuracy(held_out, validation.labels), 6),
        "chosen": fitted.chosen,
        "tried": fitted.tried,
        **({"decision": decision} if decision else {}),
    }
    return metrics, {"seconds": {"train": round(perf_counter() - begin, 3)}, "device": "cpu", **record.host()}


def _parameters(fitted: Linear) -> int:
    """Weights and biases of the labels, and the weights of the terms."""
    return len(fitted.labels) * (len(fitted.terms) + 1) + len(fitted.terms)


def run(section: Params, general: General) -> None:
    """The stage for this family, on the repository's paths."""
    target = TARGETS[general.task]
    metrics, cost = train(paths.TOKENS, general.model.config or {}, section, general.seed, paths.CLASSIFIER, target)
    record.write_curves([], paths.CURVES)
    write_json(cost, paths.FINETUNE_COST)
    write_metrics(metrics, paths.metrics("finetune"))
