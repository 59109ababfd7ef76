"""Fit the baseline and write ``models/baseline/``."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.baseline import Params
from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import replacing_folder, write_metrics
from tasks.core.rows import contents, inputs, modality
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import SINGLE, LabelFormat, label_format
from tasks.modelling.decision import Rule
from tasks.modelling.linear import folder, pixels
from tasks.modelling.linear.fitting import Labelled, fit
from tasks.modelling.targets.registry import TARGETS


def labelled(table: pa.Table, labels: list[str], cells: LabelFormat = SINGLE) -> Labelled:
    """The texts of the rows that can be learnt: of one label each, those that have one of these labels."""
    if not cells.several:
        table = table.filter(pc.is_in(table["label"], value_set=pa.array(labels, pa.string())))
    numbers = pa.chunked_array([pa.array(cells.numbers(table["label"].to_pylist(), labels), cells.numbers_type())])
    return Labelled(contents(table), TARGETS[cells.task].read(numbers, len(labels)))


def fit_baseline(
    train: pa.Table, validation: pa.Table, section: Params, seed: int, cells: LabelFormat = SINGLE
) -> dict[str, Any]:
    """Write ``models/baseline`` and return its metrics; ``cells``: how labels are written."""
    if modality(train.column_names) == "image":
        tensors, config = pixels.fit(train["image"].to_pylist(), train["label"].to_pylist(), seed)
        with replacing_folder(paths.BASELINE) as part:
            pixels.write(tensors, config, part)
        return {"modality": "image", "rows": len(train)}
    labels, target = cells.in_order(cells.count(train["label"].to_pylist())), TARGETS[cells.task]
    held_out = labelled(validation, labels, cells)
    found = fit(labelled(train, labels, cells), held_out, labels, section, seed, target=target)
    with replacing_folder(paths.BASELINE) as part:
        decision = target.choose(target.probabilities(found.logits(held_out.texts)), held_out.labels, labels, Rule())
        folder.write(found, part, {"decision": decision} if decision else None)
    return {
        "rows": min(len(train), section.max_rows),
        "chosen": found.chosen,
        "terms": len(found.terms),
        **found.calibration.figures(labels),
        "tried": found.tried,
    }


def main() -> None:
    """Run the stage on the repository's paths."""
    columns = [*inputs(columns_of(layout.split("train"))), "label"]
    train, validation = (read_table(layout.split(name), columns) for name in ("train", "validation"))
    metrics = fit_baseline(train, validation, params.load(Params, "baseline"), params.general().seed, label_format())
    write_metrics(metrics, paths.metrics("baseline"))
    if chosen := metrics.get("chosen"):
        print(
            f"baseline: {chosen['features'].replace('_', ' ')}, {chosen['estimator'].replace('_', ' ')}, "
            f"C = {chosen['penalty']:g}; macro-F1 {chosen['macro_f1']:.4f} on validation"
        )


if __name__ == "__main__":
    run(main)
