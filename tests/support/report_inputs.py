"""What the report reads, as objects and as files: a finished run of 1,513 made-up rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.core import params, paths
from tasks.core.files import write_json
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.dataset.schema import RAW, REASONS
from tasks.dataset.windows import Windows
from tasks.drift import Params as DriftParams
from tasks.drift.rows import rows_from_table
from tasks.drift.verdict import drift_verdict
from tasks.evaluate import Params as EvaluateParams
from tasks.evaluate.__main__ import evaluate
from tasks.report.inputs import Inputs

COST = {"seconds": {"train": 12.5}, "device": "cpu", "threads": 2, "torch": "2.13.0"}
QUARANTINE = RAW.append(REASONS)
WEIGHTS = paths.CLASSIFIER / "model.safetensors"


def scored_rows(labels, rows, seed, right=0.9):
    """Truth, and scores that are right as often as stated."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(labels), rows)
    said = np.where(random.random(rows) < right, truth, random.integers(0, len(labels), rows))
    probability = np.full((rows, len(labels)), 0.2 / (len(labels) - 1))
    probability[np.arange(rows), said] = 0.8
    columns = {f"probability_{label}": probability[:, i] for i, label in enumerate(labels)}
    ids = [f"{seed}/{i}" for i in range(rows)]
    words_ = [f"word{i} and so on {i % 7}" for i in truth]
    when = pa.array([None] * rows, pa.timestamp("us", tz="UTC"))
    table = pa.table({"id": ids, "text": words_, "label": [labels[i] for i in truth], "timestamp": when})
    answers = [labels[i] for i in said]
    return table, pa.table(
        {"id": ids, "prediction": answers, "decision": answers, "confidence": [0.8] * rows, **columns}
    )


def evaluated(labels, right=0.9):
    train, _ = scored_rows(labels, 40 * len(labels), 1)
    test, scored = scored_rows(labels, 30 * len(labels), 2, right)
    splits = {"train": train, "validation": test.slice(0, 0), "test": test}
    _, baseline = scored_rows(labels, 30 * len(labels), 2, 0.5)
    tests = [behaved_as(name, passed) for name, passed in (("Typos", 19), ("<b>Case</b>", 12))]
    return evaluate(splits, scored, baseline, EvaluateParams(resamples=200), 7) | {"behaviour": tests}


def answered(labels, right=0.9):
    """The test rows of ``evaluated`` beside the model's answers."""
    rows, said = scored_rows(labels, 30 * len(labels), 2, right)
    for name in said.column_names[1:]:
        rows = rows.append_column(name, said[name])
    return rows


def behaved_as(name, passed):
    kept = passed / 20 >= 0.9
    shares = {"cases": 20, "passed": passed, "share": passed / 20, "interval": [0.5, 0.99]}
    return {"name": name, "kind": "invariance", **shares, "at_least": 0.9, "target_met": kept, "unknown_label": False}


def judged(shift):
    """What drift writes of two windows, the second with so many more of one prediction."""
    random = np.random.default_rng(3)

    def side(share):
        said = np.where(random.random(300) < share, "spam", "ham")
        return rows_from_table(pa.table({"prediction": said, "confidence": random.random(300)}), None, None, "here")

    return drift_verdict(side(0.3), side(0.3 + shift), DriftParams(permutations=200), 7)


def quarantined(*rows):
    full = [
        {"id": str(i), "source_file": "mails.csv", "source_row": i, **dict.fromkeys(("label", "source_bytes")), **row}
        for i, row in enumerate(rows)
    ]
    return pa.Table.from_pylist([{name: row.get(name) for name in QUARANTINE.names} for row in full], QUARANTINE)


def window(rows, reasons, labels):
    held = max(reasons.values(), default=0)
    return {
        "rows": rows,
        "validated": rows - held,
        "quarantined": held,
        "share_quarantined": held / max(rows, 1),
        "reasons": reasons,
        "labels": labels,
        "released": 0,
        "personal_data": {},
    }


def general():
    return params.parse(params.General, {"model": {"name": "models/tiny"}}, "", paths.PARAMS)


def windows_of(**windows):
    return params.parse(Windows, windows, "windows", paths.PARAMS)


def inputs(**changes):
    reference = window(1003, {"duplicate_text": 3}, {"ham": 600, "spam": 400})
    current = window(510, {"text_missing": 10}, {"ham": 300, "spam": 150})
    counts = {"path": "mails.csv", "records": 1600, "reference": 1003, "current": 500, "undated": 10, "outside": 87}
    tokens = {"rows": 100, "tokens": 5000, "truncated_share": 0.25, "unknown_share": 0.001}
    given = {
        "general": general(),
        "windows": windows_of(reference={"until": "2026-01-01"}, current={"from": "2026-01-01", "until": "2026-02-01"}),
        "ingest": {
            "reference": {"rows": 1003, "files": {"mails.csv": 1003}},
            "current": {"rows": 510, "source": counts},
        },
        "validate": {"reference": reference, "current": current},
        "split": {
            "rows": {"train": 700, "validation": 99, "test": 200, "quarantine": 1},
            "near_duplicate_rows": 12,
            "reasons": {"bridges_splits": 1},
        },
        "tokenize": {"max_length": 128, "train": tokens, "validation": tokens, "test": tokens},
        "finetune": {
            "labels": ["ham", "spam"],
            "steps": 66,
            "parameters": 1000,
            "temperature": 1.2,
            "precision": "fp32",
        },
        "baseline": {"chosen": {"features": "words", "estimator": "svm", "penalty": 1.0}, "tried": []},
        "evaluate": evaluated(["ham", "spam"]),
        "drift": judged(0.4),
        "curves": [
            {
                "epoch": i,
                "step": 22.0 * i,
                "train_loss": 0.3 / i,
                "validation_loss": 0.2 / i,
                "validation_accuracy": 0.9,
            }
            for i in (1.0, 2.0, 3.0)
        ],
        "quarantine": {
            "reference": quarantined(*[{"text": "the same again", "label": "ham", "reasons": ["duplicate_text"]}] * 3),
            "current": quarantined(*[{"text": None, "source_bytes": b"a\xff\x00b", "reasons": ["text_missing"]}] * 10),
        },
        "answers": answered(["ham", "spam"]),
        "dated": scored_rows(["ham", "spam"], 60, 2)[0].select(["label", "timestamp"]),
    }
    return Inputs(**given | changes)


def laid_out(found, folder):
    """The inputs as the files they are read from."""
    (folder / "params.yaml").write_text("model: {name: models/tiny}\nreport: {examples: 1}\n", encoding="utf-8")
    for name in ("split", "tokenize", "finetune", "baseline", "evaluate", "drift"):
        write_json(getattr(found, name), folder / paths.metrics(name))
    for name in paths.WINDOWS:
        write_json(found.ingest[name], folder / paths.metrics("ingest", name))
        write_json(found.validate[name], folder / paths.metrics("validate", name))
        write_table(found.quarantine[name], folder / layout.window(name).quarantine)
    write_json(COST, folder / paths.FINETUNE_COST)
    rows, said = scored_rows(["ham", "spam"], 60, 2)
    for name, table in (("train", rows), ("validation", rows.slice(0, 0)), ("test", rows)):
        write_table(table, folder / layout.SPLITS / f"{name}.parquet")
    write_table(said, folder / layout.window("reference").scored)
    (folder / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_text(WEIGHTS.name)
    (folder / paths.CURVES).write_text(
        "epoch,step,train_loss,validation_loss\n1,22,0.3,0.2\n2,44,,0.1\n", encoding="utf-8"
    )
