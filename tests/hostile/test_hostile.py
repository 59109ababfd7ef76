"""Whatever is handed in, every record of it is kept or quarantined with a reason, or it is refused in words.

The oracle knows what was planted and reads the outputs with pyarrow alone.
"""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.core.tables import write_table
from tasks.dataset.layout import WindowPaths
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params as IngestParams
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tasks.validate import Params as ValidateParams
from tests.hostile import columnar, delimited, dialects, documents, lines, places, spreadsheets, texts, values

CASES = {
    name: make
    for module in (texts, delimited, dialects, lines, columnar, places, documents, spreadsheets, values)
    for name, make in module.cases()
}
PROVEN = {name for module in (texts, delimited) for name, _ in module.cases()}  # what everybody's first file meets
WHERE = WindowPaths(Path("out/reference"))
PATIENCE = 10  # a hang is a fault, a busy machine is none: what is stated for a quiet one is taken ten times


def test_there_are_enough_of_them():
    assert len(CASES) >= 315


def through(expect):
    """Ingest and validate, as the stages do."""
    from tasks.validate.__main__ import validate

    windows = Windows.model_validate({"reference": {"source": expect.source}})
    section = IngestParams(columns=Columns(**expect.columns), **{"max_undated": 1.0, **expect.ingest})
    rows, _ = read_window(plan("reference", windows, section))
    write_table(rows, WHERE.raw)
    params = ValidateParams(**{"max_quarantined": 1.0, "min_classes": 1, **expect.validate})
    return validate(pq.read_table(WHERE.raw), params, "reference", WHERE)


def check_rows(planted, figures):
    """Each planted record is one row, in order, in one of two tables, letter for letter."""
    raw, passed, left = (pq.read_table(path).to_pylist() for path in (WHERE.raw, WHERE.validated, WHERE.quarantine))
    assert len(raw) == len(planted) == figures["rows"]
    good, bad = {row["id"]: row for row in passed}, {row["id"]: row for row in left}
    assert len(good) + len(bad) == len(raw) == len(passed) + len(left)
    for row, plant in zip(raw, planted, strict=True):
        assert (row["text"], row["label"]) == (plant.text, plant.label or None)
        assert (row["id"] in bad) == (plant.reason is not None), (row, bad.get(row["id"]))
        if plant.reason:
            assert plant.reason in bad[row["id"]]["reasons"]
        if plant.source is not None:
            assert row["source_bytes"] == plant.source
        for name, value in plant.extra.items():
            assert row[name] == value
        kept = bad.get(row["id"]) or good[row["id"]]
        assert {name: kept[name] for name in row} == row


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.proof] * (n in PROVEN)) for n in CASES])
def test_nothing_is_lost_and_nothing_is_silent(name, tmp_path, monkeypatch):
    import tasks.validate.__main__  # noqa: F401  its import is not what is timed
    from tasks.validate.expectations import RuleChecker

    monkeypatch.chdir(tmp_path)
    # Data Docs are tested in test_validate, and take half of the time.
    monkeypatch.setattr(RuleChecker, "write_docs", lambda *_: None)
    expect = CASES[name]()
    start = time.monotonic()
    if expect.rows is None:
        with pytest.raises(UserError) as refusal:
            through(expect)
        said = str(refusal.value)
        assert all(word in said for word in expect.refused), said
        assert not WHERE.validated.exists()
    else:
        check_rows(expect.rows, through(expect))
    assert time.monotonic() - start < PATIENCE * expect.seconds
