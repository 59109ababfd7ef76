"""``models/README.md``: the model card in the Hugging Face hub's format, beside the weights.

Nothing in it changes between two runs of one commit: data and weights are named by their content, and what the cost
of the training, which differs every time, is on the page that it links to.
"""

from __future__ import annotations

from typing import Any

from tasks.core import paths
from tasks.core.files import sha256_of
from tasks.core.paths import WINDOWS
from tasks.dataset import layout
from tasks.html.templates import environment
from tasks.report import Card, phrases
from tasks.report.inputs import Inputs
from tasks.report.render import PAGE, measure_titles

NAMES = {"macro_f1": "f1", "accuracy": "accuracy", "roc_auc": "roc_auc"}  # what the hub calls them


def model_card(inputs: Inputs, section: Card) -> str:
    """The whole card; what a text, label or column holds can neither end its table nor become markup."""
    filters = (phrases.count, phrases.figure, phrases.signed, phrases.percent, plain)
    template = environment(PAGE, filters, escape=False).get_template("card.md")  # Markdown, which `plain` escapes
    return template.render(
        header=_header(inputs, section),
        card=section,
        evaluate=inputs.evaluate,
        measures=measure_titles(inputs.evaluate),
        worse=_worse(inputs.evaluate["slices"]),
        below=[its for its in inputs.evaluate["behaviour"] if its["target_met"] is False],
        ranges={window: phrases.window_range(getattr(inputs.windows, window)) for window in WINDOWS},
        sources=inputs.ingest["reference"]["files"],
        splits={name: sha256_of(layout.SPLITS / f"{name}.parquet") for name in ("train", "validation", "test")},
        rows=inputs.split["rows"],
        weights={file.name: sha256_of(file) for file in sorted(paths.CLASSIFIER.glob("*.safetensors"))},
        origin=phrases.origin(inputs.general.model),
        kind=phrases.of(inputs.reads, inputs.is_linear, inputs.general.task),
        reads_pairs="text_pair_in_train" in inputs.split,
        seed=inputs.general.seed,
        tokenize=inputs.tokenize,
        finetune=inputs.finetune,
    )


def _worse(slices: dict[str, Any]) -> list[dict[str, Any]]:
    """The significantly weaker slices, each once: a search finds the declared ones again."""
    found = [its for kind in ("declared", "worst") for its in slices[kind] if its["worse"]]
    return list({tuple(its["where"]): its for its in found}.values())


def plain(value: object) -> str:
    """Text on one line, with the characters escaped that mean something in Markdown or HTML."""
    line = " ".join(str(value).split())
    return "".join(
        f"\\{sign}" if sign in "\\`*_{}[]()#+!|~" else {"<": "&lt;", "&": "&amp;"}.get(sign, sign) for sign in line
    )


def _header(inputs: Inputs, section: Card) -> str:
    """The YAML that the hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    task = phrases.OF[inputs.reads]["task"]
    results = [
        EvalResult(
            task_type=task,
            dataset_type="test-split",
            dataset_name=f"the test split, {inputs.evaluate['rows']} rows",
            metric_type=kind,
            metric_name=measure_titles(inputs.evaluate)[name],
            metric_value=round(inputs.evaluate[name], 4),
        )
        for name, kind in NAMES.items()
        if name in inputs.evaluate
    ]
    data = ModelCardData(
        license=section.licence,
        language=section.language,
        base_model=inputs.general.model.name if inputs.general.model.revision else None,
        library_name="transformers",
        pipeline_tag=task,
        model_name=section.name,
        eval_results=results,
    )
    header: str = data.to_yaml(line_break="\n")
    return header.strip()
