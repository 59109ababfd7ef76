"""Faults planted in one row of a thousand each: every one is found, for its reason, and no clean row is held."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from tasks.dataset.layout import WindowPaths
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params as IngestParams
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tasks.validate import Params
from tests.hostile.faults import CONTRACT, HEADER, KINDS, clean

ROWS, EACH = 10_000, 10  # 0.1 %
PAIR = "conflicting label"  # two rows say the same, so both are at fault


def planted():
    """The file's bytes, and what was done to the row at each place."""
    random = Random(5)
    rows = [clean(number, random) for number in range(ROWS)]
    free = random.sample(range(ROWS // 2, ROWS), (len(KINDS) + 2) * EACH)  # copies are of rows that stand before
    donors = iter(random.sample(range(ROWS // 2), len(KINDS) * EACH))
    done = {}
    for kind, (_, change) in KINDS.items():
        for _ in range(EACH):
            place = free.pop()
            donor = next(donors)
            rows[place], done[place] = change(rows[place], rows[donor]), kind
            if kind == "id again":  # nobody knows which of the two has the right one
                done[donor] = kind
    for _ in range(EACH):
        one, other = free.pop(), free.pop()
        rows[one] = clean(one + ROWS, random)
        rows[other] = KINDS["copy"][1](rows[other], rows[one])
        label = next(label for label in CONTRACT["labels"] if label != rows[one].label)
        rows[other] = type(rows[other])(**{**vars(rows[other]), "label": label})
        done |= {one: PAIR, other: PAIR}
    return ",".join(HEADER).encode() + b"\n" + b"".join(row.written() for row in rows), done


@pytest.mark.long
def test_every_planted_fault_is_found_and_no_clean_row_is_held(tmp_path, monkeypatch):
    from tasks.validate.__main__ import validate

    assert len(KINDS) >= 50
    monkeypatch.chdir(tmp_path)
    content, done = planted()
    Path("rows.csv").write_bytes(content)
    columns = Columns(text="text", label="label", timestamp="when", id="key")
    source = plan(
        "reference", Windows.model_validate({"reference": {"source": "rows.csv"}}), IngestParams(columns=columns)
    )
    raw, _ = read_window(source)
    assert len(raw) == ROWS
    where = WindowPaths(tmp_path / "reference")
    validate(raw, Params.model_validate(CONTRACT), "reference", where)
    held = {row["source_row"]: row["reasons"] for row in pq.read_table(where.quarantine).to_pylist()}
    expected = {kind: reason for kind, (reason, _) in KINDS.items()} | {PAIR: "conflicting_label"}
    missed = [(kind, held.get(place)) for place, kind in done.items() if expected[kind] not in held.get(place, ())]
    assert not missed
    assert not [(reasons, raw["text"][place].as_py()) for place, reasons in held.items() if place not in done]
    others = [(kind, held[place]) for place, kind in done.items() if held[place] != [expected[kind]]]
    assert not others
