"""Export the trained classifier and compare the export with it: ``driftline export``."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from tasks.core import paths, recorded
from tasks.core.errors import UserError
from tasks.core.extras import require_extra
from tasks.core.files import read_json, replacing_folder, write_json
from tasks.core.rows import Text, contents, inputs
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import LabelFormat
from tasks.export import EXPORT_REPORT, SAME_LABELS, Options
from tasks.export.compare import Measured, batch_of, measure, with_onnx, with_torch
from tasks.export.graph import PACKAGES, require_onnx, to_int8, to_onnx
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.checkpoints.head import needs_equal_lengths
from tasks.modelling.checkpoints.inspection import CONFIG, WEIGHTS
from tasks.modelling.decision import thresholds_in
from tasks.modelling.targets import registry
from tasks.statistics.measures import Floats

GRAPH, INT8 = "model.onnx", "model.int8.onnx"


def export(classifier: Path, rows: pa.Table, folder: Path, options: Options) -> dict[str, Any]:
    """Write ``folder`` and return the report: each form's size, speed, agreement and metrics on ``rows``."""
    require_onnx()
    torch.set_num_threads(options.threads)
    tokenizer, model = checkpoint.load_trained(classifier)
    texts = contents(rows)
    if isinstance(texts[0], tuple) != checkpoint.reads_pairs(classifier):
        raise UserError(f"{classifier} was not trained on rows like those of the test split: run `driftline run`")
    labels = checkpoint.labels_of(classifier)
    config = read_json(classifier / CONFIG)
    target, thresholds = registry.of_config(config), thresholds_in(config)

    with replacing_folder(folder) as part:
        example = batch_of(tokenizer, [texts[0], _longer(texts[0], texts[-1])])
        print("exporting", flush=True)
        to_onnx(model, {name: torch.from_numpy(value) for name, value in example.items()}, part / GRAPH)
        unfit = to_int8(part / GRAPH, part / INT8)
        files = {"onnx": part / GRAPH} | ({} if unfit else {"onnx int8": part / INT8})
        runs = {"torch": with_torch(model)}
        runs |= {name: with_onnx(file, options.threads) for name, file in files.items()}
        batch_size = 1 if needs_equal_lengths(model) else options.batch_size
        forms = measure(runs, tokenizer, texts, batch_size, options.repeat)
        sizes = {name: file.stat().st_size for name, file in {"torch": classifier / WEIGHTS, **files}.items()}
        shares = {name: target.probabilities(form.logits) for name, form in forms.items()}
        said = {name: Said(its, target.answers(its, labels, thresholds)) for name, its in shares.items()}
        truth, written = rows["label"].to_pylist(), LabelFormat(target.task)
        metrics = {
            name: _speed(form, sizes[name]) | said[name].metrics(said["torch"], truth, written)
            for name, form in forms.items()
        }
        _refuse_other_labels(metrics["onnx"])
        kept, why = (False, unfit) if unfit else keep_int8(metrics["onnx"], metrics["onnx int8"])
        if not kept:
            (part / INT8).unlink(missing_ok=True)
        for file in sorted(classifier.iterdir()):
            if file.suffix == ".json":
                shutil.copyfile(file, part / file.name)
    return {"rows": len(texts), "forms": metrics, "int8": {"kept": kept, "why": why}, "machine": _machine(options)}


def _longer(text: Text, other: Text) -> Text:
    return f"{text} {other}" if isinstance(text, str) else (f"{text[0]} {other[0]}", text[1])


@dataclass(frozen=True)
class Said:
    """What one form says of the test rows."""

    probability: Floats
    """[rows, labels]"""
    answers: list[str]
    """As the column ``prediction`` has them, [rows]."""

    def metrics(self, trained: Said, truth: list[str], written: LabelFormat) -> dict[str, float]:
        """How far it agrees with the trained model, and with the labels; a set of labels is right as a whole."""
        from sklearn.metrics import accuracy_score, f1_score

        labels = sorted(written.count([*truth, *self.answers]))
        both = [written.holds(cells, labels) if written.several else cells for cells in (truth, self.answers)]
        return {
            "same_labels": float(accuracy_score(trained.answers, self.answers)),
            "largest_difference": float(np.abs(self.probability - trained.probability).max()),
            "accuracy": float(accuracy_score(truth, self.answers)),
            "macro_f1": float(f1_score(*both, average="macro")),
        }


def _speed(form: Measured, size: int) -> dict[str, float]:
    return {
        "megabytes": round(size / 1e6, 2),
        "milliseconds": round(form.milliseconds, 2),
        "rows_per_second": round(form.rows_per_second, 1),
    }


def _refuse_other_labels(metrics: dict[str, float]) -> None:
    if metrics["same_labels"] < SAME_LABELS:
        raise UserError(
            f"the exported graph predicts the trained model's answer on {metrics['same_labels']:.2%} of the test rows, "
            f"less than {SAME_LABELS:.1%}: nothing was written"
        )


def keep_int8(whole: dict[str, float], small: dict[str, float]) -> tuple[bool, str]:
    """Whether the int8 graph is worth keeping, by the figures of both graphs, and why."""
    if small["same_labels"] < SAME_LABELS:
        return False, f"another label on {1 - small['same_labels']:.2%} of the test rows"
    faster = whole["milliseconds"] / small["milliseconds"]
    if faster <= 1:
        return False, f"not faster here ({small['milliseconds']} ms a text instead of {whole['milliseconds']})"
    return True, f"{faster:.1f} times as fast for one text"


def _machine(options: Options) -> dict[str, object]:
    packages = ("torch", "transformers", *PACKAGES)
    return {"machine": platform.machine(), "threads": options.threads, **{name: version(name) for name in packages}}


def table(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    head = (
        "| | MB | ms a text | texts/s | same label | largest difference | accuracy | macro-F1 |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    lines = [
        f"| {name} | {form['megabytes']:.1f} | {form['milliseconds']:.1f} | {form['rows_per_second']:.0f} | "
        f"{form['same_labels']:.2%} | {form['largest_difference']:.1e} | {form['accuracy']:.4f} | "
        f"{form['macro_f1']:.4f} |"
        for name, form in report["forms"].items()
    ]
    return "\n".join([head, *lines])


def export_classifier(folder: Path, options: Options) -> dict[str, Any]:
    """Export the pipeline's classifier; writes the report to ``reports/export.json`` and returns it."""
    require_extra("onnxruntime", "onnx")
    recorded.require_output(paths.CLASSIFIER)
    if checkpoint.modality_of(paths.CLASSIFIER) == "image":
        raise UserError(f"the model in {paths.CLASSIFIER} is for images: only text models can be exported")
    file = layout.split("test")
    rows = read_table(file, [*inputs(columns_of(file)), "label"])
    if not len(rows):
        raise UserError(f"{layout.split('test')} has no rows to compare the export on")
    report = export(paths.CLASSIFIER, rows, folder, options)
    write_json(report, EXPORT_REPORT)
    return report
