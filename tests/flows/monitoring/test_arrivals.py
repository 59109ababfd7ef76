"""In which windows the source has rows, told from a source that cannot be read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.monitoring import arrivals
from flows.windows.ranges import TimeRange, as_utc

PARAMS = """
windows:
  reference: {until: "2026-01-01"}
  current: {from: "2026-01-01", until: "2026-01-02"}
ingest: {source: rows.csv, columns: {text: text, label: label, timestamp: day}}
"""


def day(number):
    return TimeRange(as_utc(f"2026-01-{number:02}"), as_utc(f"2026-01-{number + 1:02}"))


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    rows = [f"t,ham,{when}" for when in ("2025-12-30", "2026-01-03", "2026-01-05T23:59:59Z", "2026-01-06")]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label,day", *rows, ""]))
    return tmp_path / "rows.csv"


def test_each_window_is_told_by_its_own_rows(source):
    assert arrivals.found([day(number) for number in (2, 3, 4, 5, 7)]) == [day(3), day(5)]
    assert arrivals.found([]) == []
    assert [arrivals.is_empty(day(number)) for number in (2, 3)] == [True, False]
    assert not arrivals.is_empty(None)  # data without times have no window


def test_a_source_that_cannot_be_read_is_not_empty(source):
    for text in ("body,label,day\nt,ham,2026-01-03\n", "text,label,day\nt,ham,soon\n", ""):
        source.write_text(text)
        assert not arrivals.is_empty(day(2))
        assert arrivals.found([day(2)]) == []
    source.unlink()
    assert not arrivals.is_empty(day(2))


def test_what_the_champions_own_run_left_of_a_window_is_no_result_of_one_without_rows(tmp_path):
    cached, folder, of_git, other = (
        "data/current/validated.parquet",
        "reports/current",
        "metrics/drift.json",
        "kept.csv",
    )
    for name in (cached, f"{folder}/index.html", of_git, other):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("of another window")
    made = {"validate@current": [Path(cached), Path(folder)], "drift": [Path(of_git)], "ingest@current": [Path("none")]}
    dag = SimpleNamespace(outputs=made.__getitem__, order=lambda: list(made))
    arrivals.forget(tmp_path, dag, list(made))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [other]
