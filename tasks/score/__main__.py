"""Score the pipeline's rows (``--window``), one text or image (``--text``, ``--image``) or a table (``--input`` and
``--output``)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.behaviour import BEHAVIOUR, read_behaviour_tests
from tasks.core import chip, params, paths
from tasks.core.cli import WindowOption, run
from tasks.core.errors import UserError
from tasks.core.files import replacing, write_metrics
from tasks.core.rows import Text, contents, inputs, modality
from tasks.core.tables import columns_of, read_table, write_table
from tasks.dataset import layout
from tasks.dataset.labels import LabelFormat
from tasks.dataset.schema import scored
from tasks.images import read_image
from tasks.modelling.checkpoints import checkpoint, versions
from tasks.score import Params, any_table
from tasks.score.baseline import baseline_scores
from tasks.score.behaviour_tests import behaviour
from tasks.score.command import score
from tasks.score.precision import BesideFp32, in_fp32, sample
from tasks.score.predict import Predicted, predict
from tasks.tables.any_table import read_any_table


def rows_of(window: paths.WindowName) -> pa.Table:
    """Columns id and text, text and text_pair, or image of a window's rows: held-out rows of reference, all rows of
    current."""
    files = [layout.window("current").validated]
    if window == "reference":
        files = [layout.split(name) for name in layout.SCORED_SPLITS]
    classified = inputs(columns_of(files[0]))
    kind = modality(classified)
    if kind != (expected := checkpoint.modality_of(paths.CLASSIFIER)):
        raise UserError(f"{window}: its rows are {kind}s, but the model in {paths.CLASSIFIER} is for {expected}s")
    return pa.concat_tables([read_table(file, ["id", *classified]) for file in files])


def metrics(predicted: Predicted) -> dict[str, object]:
    """The metrics of a window's scores."""
    cells, rows = LabelFormat(predicted.target.task), len(predicted.probabilities)
    counts = cells.count(predicted.answers)
    return {
        "rows": rows,
        "truncated_share": round(predicted.truncated / rows, 6) if rows else None,
        "predictions": {label: counts[label] for label in predicted.labels},
        "abstained": sum(decision is None for decision in predicted.decisions),
        "mean_confidence": round(float(predicted.confidence.mean()), 6) if rows else None,
    }


def score_window(window: paths.WindowName, section: Params) -> None:
    """Write what the model and the baseline say of a window's rows, the model's embeddings, and its metrics."""
    rows, files = rows_of(window), layout.window(window)
    kind, given = modality(rows.column_names), contents(rows)
    if None in given:
        raise UserError(
            f"{window}: the row {rows['id'][given.index(None)]} has no {kind}: run `dvc repro validate@{window}`"
        )
    predicted = predict(given, paths.CLASSIFIER, section)
    precision = beside_fp32(given, predicted, section)
    write_table(predicted.table(rows["id"]), files.scored)
    with replacing(files.embeddings) as part, part.open("wb") as file:
        np.save(file, predicted.embeddings)
    write_table(baseline_scores(rows["id"], given, kind, section), files.baseline)
    write_metrics(metrics(predicted) | precision, paths.metrics("score", window))
    print(f"{window}: {len(given)} rows scored")
    write_table(_behaviour(window, section, given if kind == "text" else [], predicted), files.behaviour)


def beside_fp32(values: list[Any], predicted: Predicted, section: Params) -> dict[str, object]:
    """The metrics of bf16, none of fp32. UserError where a sample of the rows is answered too differently."""
    if section.precision == "fp32":
        return {}
    import torch

    if not torch.cuda.is_available() and not chip.has_bf16():
        print(f"score.precision: {chip.kind()} has no instructions for bf16 and emulates it, slower than fp32")
    places = sample(len(values))
    again = predict([values[i] for i in places], paths.CLASSIFIER, in_fp32(section))
    found = BesideFp32.of(predicted.probabilities[places], again.probabilities)
    print(f"bf16 and fp32: {found.flips} of {found.rows} rows have another label")
    found.refuse()
    return found.metrics()


def _behaviour(window: paths.WindowName, section: Params, texts: list[Text], predicted: Predicted) -> pa.Table:
    """The behaviour tests run on the test rows' texts: for the reference window only."""
    written = read_behaviour_tests(BEHAVIOUR) if window == "reference" and texts else ()
    if written and predicted.target.task != "single_label":
        print(f"{BEHAVIOUR}: its tests are not run with task: {predicted.target.task}")
        written = ()
    tests = [test for test in written if test.applies_to(predicted.labels)]
    test_rows = slice(len(read_table(layout.split("validation"), ["id"])) if tests else 0, None)
    shares = predicted.probabilities[test_rows] if texts else ()
    known = dict(zip(texts[test_rows], shares, strict=True))
    pair = checkpoint.reads_pairs(paths.CLASSIFIER)
    return behaviour(tests, known, lambda given: predict(given, paths.CLASSIFIER, section), pair)


def score_text(text: Text, section: Params) -> None:
    """Print the label of one text or pair of texts, and every label's probability."""
    any_table.require_modality("text")
    any_table.require_pair(isinstance(text, tuple), "--text-pair")
    _print(predict([text], paths.CLASSIFIER, section))


def score_image(file: Path, section: Params) -> None:
    """Print the label of one image, and every label's probability."""
    any_table.require_modality("image")
    _print(predict([read_image(file)], paths.CLASSIFIER, section))


def _print(predicted: Predicted) -> None:
    shares = dict(zip(predicted.labels, predicted.probabilities[0].tolist(), strict=True))
    print(predicted.answers[0])
    for label, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"  {label}\t{share:.4f}")
    if predicted.thresholds and predicted.target.task == "single_label":
        print(f"decision: {predicted.decisions[0] or 'abstain'}")


def score_file(source: Path, target: Path, column: str, section: Params, pair_column: str | None = None) -> None:
    """Write ``source`` to ``target`` with the columns of ``scored.parquet`` added, except its id. ``pair_column``: of
    the second texts, for a model of pairs."""
    any_table.require_modality("text")
    any_table.require_pair(pair_column is not None, "--pair-column")
    table = read_any_table(source)
    texts: list[Any] = any_table.texts(table, column, source)
    if pair_column is not None:
        texts = list(zip(texts, any_table.texts(table, pair_column, source, "--pair-column"), strict=True))
    labels = checkpoint.labels_of(paths.CLASSIFIER)
    names = scored(labels).names[1:]  # all but the id, which the input may have
    any_table.refuse_unwritable(table, names, target)
    made = predict(texts, paths.CLASSIFIER, section).table(pa.array([""] * len(texts)))
    any_table.write(table, made.select(names), target)
    print(f"{len(texts)} rows scored into {target}")


def main(window: WindowOption) -> None:
    """Score the pipeline's rows of one window."""
    versions.print_differing()
    score_window(window, params.load(Params, "score"))


if __name__ == "__main__":
    run(main if any(word.startswith("--window") for word in sys.argv) else score)
