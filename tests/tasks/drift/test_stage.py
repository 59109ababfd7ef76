"""The stage ``drift`` over the artefacts of the stages before it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.tables import write_table
from tasks.dataset import layout, schema
from tasks.drift import DRIFT_REPORT, DRIFT_SEGMENTS, DRIFT_SNAPSHOT
from tasks.drift.__main__ import main

TOP = Path(__file__).parents[3]


def write_rows(path, prefix, count, label=None, text=lambda row: "some words here"):
    names = {"id": [f"{prefix}{i}" for i in range(count)], "label": ["ham" if label else None] * count}
    columns = {field.name: names.get(field.name, [None] * count) for field in schema.RAW}
    columns |= {
        "source_file": [prefix] * count,
        "source_row": list(range(count)),
        "text": [text(row) for row in range(count)],
    }
    write_table(pa.table(columns, schema=schema.RAW), path)


def write_scores(window, ids, spam, width=8):
    rng = np.random.default_rng(len(ids))
    spam = rng.random(len(ids)) < spam
    columns = {"id": ids, "prediction": np.where(spam, "spam", "ham").tolist(), "confidence": [0.9] * len(ids)}
    columns |= {
        "probability_ham": [0.9] * len(ids),
        "probability_spam": [0.1] * len(ids),
        "decision": [None] * len(ids),
    }
    write_table(pa.table(columns, schema=schema.scored(["ham", "spam"])), layout.window(window).scored)
    write_table(pa.table(columns, schema=schema.scored(["ham", "spam"])), layout.window(window).baseline)
    np.save(layout.window(window).embeddings, rng.normal(size=(len(ids), width)).astype(np.float32))


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """A folder with everything upstream of drift; call it with the number of current rows and their share of spam."""
    monkeypatch.chdir(tmp_path)

    def build(current, spam=0.2, width=8, **texts):
        Path("params.yaml").write_text("seed: 7\nmodel: {name: m}\ndrift: {permutations: 199}\n")
        write_rows(layout.split("train"), "r", 60, "ham")
        write_rows(layout.split("validation"), "v", 60, "ham")
        write_rows(layout.split("test"), "t", 60, "ham")
        write_rows(layout.window("current").validated, "c", current, **texts)
        write_scores("reference", [*(f"v{i}" for i in range(60)), *(f"t{i}" for i in range(60))], 0.2, width)
        write_scores("current", [f"c{i}" for i in range(current)], spam, width)
        for window, rows in (("reference", 200), ("current", current)):
            write_json({"rows": rows, "reasons": {"text_missing": rows // 50}}, paths.metrics("validate", window))

    return build


def run():
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    return subprocess.run([sys.executable, "-m", "tasks.drift"], capture_output=True, text=True, env=environment)


def files():
    return {path for path in Path().rglob("*") if path.is_file()}


@pytest.mark.proof
def test_the_stage_writes_its_verdict_and_its_page_and_nothing_else(pipeline):
    pipeline(100, spam=0.7)
    before = files()
    done = run()
    assert done.returncode == 0, done.stderr
    made = [paths.metrics("drift"), DRIFT_REPORT, DRIFT_SNAPSHOT, DRIFT_SEGMENTS]
    assert files() - before == {*made, Path(".timings/drift.json")}
    verdict = json.loads(paths.metrics("drift").read_text())
    assert verdict["drifted"] is True and verdict["signals"]["predictions"]["alarm"]
    assert {"embeddings: axes", "confidence", "quarantine"} <= set(verdict["signals"])
    assert "labels" not in verdict["signals"], "current has none"
    assert done.stdout.startswith("drifted: True: ")
    first = [path.read_bytes() for path in made]
    main()
    assert [path.read_bytes() for path in made] == first, "another process, the same bytes"


def test_without_current_rows_the_outputs_are_valid_and_say_so(pipeline):
    pipeline(0)
    main()
    verdict = json.loads(paths.metrics("drift").read_text())
    assert (verdict["drifted"], verdict["significant"], verdict["reason"]) == (None, None, "no current data")
    assert verdict["rows"] == {"reference": 120, "current": 0}
    assert "Cannot be told" in DRIFT_REPORT.read_text()
    assert json.loads(DRIFT_SNAPSHOT.read_text()) == {}


def test_scores_of_other_rows_are_refused(pipeline):
    pipeline(50)
    write_scores("current", [f"x{i}" for i in range(50)], 0.2)
    with pytest.raises(UserError, match=r"data/current/scored\.parquet"):
        main()
    assert not paths.metrics("drift").exists() and not DRIFT_REPORT.exists()


def peak():
    """MiB that the stage took, by VmHWM: ru_maxrss of a child counts what its parent had before the exec."""
    code = "from tasks.drift.__main__ import main; main(); print(open('/proc/self/status').read())"
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1]) / 1024


@pytest.mark.long
@pytest.mark.timeout(600)
def test_memory_hardly_grows_with_the_rows(pipeline):
    """Texts of 60 MB and embeddings of 300 MB: what is held of a row is a few hundred bytes, whatever its text."""
    pipeline(100, width=384)
    few = peak()
    pipeline(200_000, width=384, text=lambda row: f"number {row} " + "and so on " * 30)
    assert peak() - few < 400, "MiB; with all of it in memory 1,000"
