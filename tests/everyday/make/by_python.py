"""What pandas, polars, DuckDB and datasets write."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path

import datasets
import duckdb
import pandas as pd
import polars as pl

from tests.everyday.rows import NUMBER, PLAIN, ROWS


def frame(rows=ROWS) -> pd.DataFrame:
    """The rows as a person has them in pandas."""
    table = pd.DataFrame(rows, columns=["text", "label", "created_at"])
    table["created_at"] = pd.to_datetime(table["created_at"])
    return table


def make(files: Path) -> None:
    """Write the files."""
    _pandas(files, frame())
    _pandas_json(files, frame())
    _packed(files)
    _polars(files, pl.from_pandas(frame()))
    _duckdb(files)
    _datasets(files)


def _pandas(files: Path, table: pd.DataFrame) -> None:
    table.to_csv(files / "pandas.csv", index=False)
    table.to_csv(files / "pandas_index.csv")
    table.to_csv(files / "pandas_semicolon.csv", index=False, sep=";")
    table.to_csv(files / "pandas_tab.csv", index=False, sep="\t")
    table.to_csv(files / "pandas_utf8_sig.csv", index=False, encoding="utf-8-sig")
    table.to_csv(files / "pandas_utf16.csv", index=False, encoding="utf-16")
    table.to_csv(files / "pandas_german_days.csv", index=False, date_format="%d.%m.%Y %H:%M:%S")
    table.to_csv(files / "pandas_american_days.csv", index=False, date_format="%m/%d/%Y %H:%M:%S")
    table.to_csv(files / "pandas_named_months.csv", index=False, date_format="%d %b %Y %H:%M:%S")
    table.to_csv(files / "pandas_compact_times.csv", index=False, date_format="%Y%m%d%H%M%S")
    zoned = table.assign(created_at=table.created_at.dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata"))
    zoned.to_csv(files / "pandas_zone.csv", index=False)
    seconds = table.assign(created_at=table.created_at.astype("datetime64[s]").astype("int64"))
    seconds.to_csv(files / "pandas_epoch_s.csv", index=False)
    seconds.assign(created_at=seconds.created_at * 1000).to_csv(files / "pandas_epoch_ms.csv", index=False)
    seconds.assign(created_at=seconds.created_at.astype(float)).to_csv(files / "pandas_epoch_float.csv", index=False)
    table.assign(label=table.label.map(NUMBER).astype(float)).to_csv(files / "pandas_float_labels.csv", index=False)
    table.to_parquet(files / "pandas.parquet")
    table.set_index("created_at").to_parquet(files / "pandas_time_index.parquet")
    seconds.to_parquet(files / "pandas_epoch_s.parquet")
    table.assign(label=table.label.astype("category")).to_parquet(files / "pandas_category.parquet")
    table.to_feather(files / "pandas.feather")
    escaped = {"quoting": 3, "escapechar": "\\"}
    frame(PLAIN).to_csv(files / "pandas_escaped.tsv", index=False, sep="\t", **escaped)
    shutil.rmtree(files / "pandas_partitions", ignore_errors=True)
    table.assign(lang=["de" if "ü" in text else "en" for text in table.text]).to_parquet(
        files / "pandas_partitions", partition_cols=["lang", "label"]
    )


def _pandas_json(files: Path, table: pd.DataFrame) -> None:
    for orient in ("records", "columns", "index", "split", "table"):
        table.to_json(files / f"pandas_{orient}.json", orient=orient, date_format="iso")
    table.to_json(files / "pandas_records_epoch.json", orient="records", date_format="epoch", date_unit="ms")
    table.to_json(files / "pandas_lines.jsonl", orient="records", lines=True, date_format="iso")
    table.to_json(files / "pandas_lines.json", orient="records", lines=True, date_format="iso")


def _packed(files: Path) -> None:
    plain = (files / "pandas.csv").read_bytes()
    (files / "pandas.csv.gz").write_bytes(gzip.compress(plain, mtime=0))
    for ending in ("zst", "bz2", "xz"):
        frame().to_csv(files / f"pandas.csv.{ending}", index=False)
    with zipfile.ZipFile(files / "pandas.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("pandas.csv", (2026, 4, 1, 0, 0, 0)), plain)


def _polars(files: Path, table: pl.DataFrame) -> None:
    table.write_csv(files / "polars.csv")
    table.write_csv(files / "polars_pipe.csv", separator="|")
    table.write_ndjson(files / "polars.ndjson")
    table.write_json(files / "polars.json")
    table.write_parquet(files / "polars.parquet")


def _duckdb(files: Path) -> None:
    tickets = frame()
    duckdb.register("tickets", tickets)
    for name, options in {
        "duckdb.csv": "",
        "duckdb.csv.gz": "",
        "duckdb.tsv": "(DELIM '\t')",
        "duckdb.json": "(FORMAT json)",
        "duckdb_array.json": "(FORMAT json, ARRAY true)",
        "duckdb.parquet": "(FORMAT parquet)",
    }.items():
        duckdb.sql(f"COPY (SELECT * FROM tickets) TO '{files / name}' {options}")
    shutil.rmtree(files / "duckdb_partitions", ignore_errors=True)
    duckdb.sql(f"COPY tickets TO '{files}/duckdb_partitions' (FORMAT csv, PARTITION_BY (label))")


def _datasets(files: Path) -> None:
    labels = datasets.ClassLabel(names=list(NUMBER))
    features = datasets.Features(
        text=datasets.Value("string"), label=labels, created_at=datasets.Value("timestamp[us]")
    )
    table = frame()
    made = datasets.Dataset.from_dict(
        {"text": list(table.text), "label": list(table.label), "created_at": list(table.created_at.dt.to_pydatetime())},
        features=features,
    )
    made.to_json(files / "datasets.jsonl")
    made.to_parquet(files / "datasets.parquet")
    made.to_csv(files / "datasets.csv")
    shutil.rmtree(files / "datasets_on_disk", ignore_errors=True)
    made.save_to_disk(files / "datasets_on_disk")
