"""Fit the baseline and write ``models/baseline/``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.baseline import Params
from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.files import replacing_folder, write_metrics
from tasks.core.rows import modality
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.modelling.linear import folder, pixels
from tasks.modelling.linear.fitting import Labelled, fit


def labelled(table: pa.Table, labels: list[str]) -> Labelled:
    """The texts of the rows that have one of these labels."""
    known = table.filter(pc.is_in(table["label"], value_set=pa.array(labels, pa.string())))
    numbers = pc.index_in(known["label"], value_set=pa.array(labels, pa.string())).to_numpy()
    return Labelled(known["text"].to_pylist(), numbers.astype(np.int64))


def fit_baseline(train: pa.Table, validation: pa.Table, section: Params, seed: int) -> dict[str, Any]:
    """Write ``models/baseline`` and return its metrics."""
    if modality(train.column_names) == "image":
        tensors, config = pixels.fit(train["image"].to_pylist(), train["label"].to_pylist(), seed)
        with replacing_folder(paths.BASELINE) as part:
            pixels.write(tensors, config, part)
        return {"modality": "image", "rows": len(train)}
    labels = sorted(set(train["label"].to_pylist()) - {None})
    found = fit(labelled(train, labels), labelled(validation, labels), labels, section, seed)
    with replacing_folder(paths.BASELINE) as part:
        folder.write(found, part)
    return {
        "rows": min(len(train), section.max_rows),
        "chosen": found.chosen,
        "terms": len(found.terms),
        "temperature": round(found.temperature, 6),
        "tried": found.tried,
    }


def main() -> None:
    """Run the stage on the repository's paths."""
    kind = modality(columns_of(layout.split("train")))
    train, validation = (read_table(layout.split(name), [kind, "label"]) for name in ("train", "validation"))
    metrics = fit_baseline(train, validation, params.load(Params, "baseline"), params.general().seed)
    write_metrics(metrics, paths.metrics("baseline"))
    if chosen := metrics.get("chosen"):
        print(
            f"baseline: {chosen['features'].replace('_', ' ')}, {chosen['estimator'].replace('_', ' ')}, "
            f"C = {chosen['penalty']:g}; macro-F1 {chosen['macro_f1']:.4f} on validation"
        )


if __name__ == "__main__":
    run(main)
