"""The list of everyday files: where each comes from, which columns a person would name, and the rows it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.everyday.rows import ONE_LINE, PLAIN, ROWS, Row, numbered, undated

PLAIN_COLUMNS = {"text": "text", "label": "label", "timestamp": "created_at"}
NAMED = {**PLAIN_COLUMNS, "id": "id"}
NUMBERED = {"text": "2", "label": "3", "timestamp": "4", "id": "1"}
UNDATED = {"text": "text", "label": "label"}


@dataclass(frozen=True)
class Everyday:
    """One file or folder below ``files/``."""

    name: str
    made: str
    """The tool that wrote it, with its version; ``documentation`` where it was made by hand after one."""
    rows: list[Row] = field(default_factory=lambda: ROWS)
    columns: dict[str, str] = field(default_factory=lambda: PLAIN_COLUMNS)
    param: dict[str, Any] = field(default_factory=dict)
    """The key of ``ingest``, or the two, that may be needed besides source and columns."""
    held: int = 0
    """How many more rows must be held, each with its problem."""

    @property
    def real(self) -> bool:
        """Whether the tool itself wrote it."""
        return self.made != "documentation"


def _of(made: str, *names: str, **more: Any) -> list[Everyday]:
    return [Everyday(name, made, **more) for name in names]


PANDAS = "pandas 3.1.1"
OFFICE = "LibreOffice 7.4.7"
R = "R 4.2.2"
SPARK = "Spark 4.3.0"
DUCKDB = "DuckDB 2.0.1"
POSTGRES = "PostgreSQL 15"
MARIADB = "MariaDB 10.11"
HAND = "documentation"

FILES: list[Everyday] = [
    *_of(PANDAS, "pandas.csv", "pandas_index.csv", "pandas_semicolon.csv", "pandas_tab.csv", "pandas_utf8_sig.csv"),
    *_of(PANDAS, "pandas_utf16.csv"),
    *_of(PANDAS, "pandas_escaped.tsv", rows=PLAIN, param={"dialect": {"quoted": False, "escape": "\\"}}),
    *_of(PANDAS, "pandas_german_days.csv", param={"time_format": "%d.%m.%Y %H:%M:%S"}),
    *_of(PANDAS, "pandas_american_days.csv", param={"time_format": "%m/%d/%Y %H:%M:%S"}),
    *_of(PANDAS, "pandas_named_months.csv", param={"time_format": "%d %b %Y %H:%M:%S"}),
    *_of(PANDAS, "pandas_compact_times.csv", param={"time_format": "%Y%m%d%H%M%S"}),
    *_of(PANDAS, "pandas_zone.csv"),
    *_of(
        PANDAS,
        "pandas_epoch_s.csv",
        "pandas_epoch_float.csv",
        "pandas_epoch_s.parquet",
        param={"time_format": "epoch_s"},
    ),
    *_of(PANDAS, "pandas_epoch_ms.csv", "pandas_records_epoch.json", param={"time_format": "epoch_ms"}),
    *_of(PANDAS, "pandas_float_labels.csv", rows=[(t, f"{n}.0", at) for t, n, at in numbered(ROWS)]),
    *_of(PANDAS, "pandas.parquet", "pandas_time_index.parquet", "pandas_category.parquet", "pandas.feather"),
    *_of(PANDAS, "pandas_partitions"),
    *_of(PANDAS, "pandas_records.json", "pandas_columns.json", "pandas_index.json", "pandas_split.json"),
    *_of(PANDAS, "pandas_table.json", param={"records": "data"}),
    *_of(PANDAS, "pandas_lines.jsonl", "pandas_lines.json"),
    *_of(PANDAS, "pandas.csv.gz", "pandas.csv.zst", "pandas.csv.bz2", "pandas.csv.xz", "pandas.csv.zip"),
    *_of("polars 2.1.0", "polars.csv", "polars_pipe.csv", "polars.ndjson", "polars.json", "polars.parquet"),
    *_of(DUCKDB, "duckdb.csv", "duckdb.csv.gz", "duckdb.tsv", "duckdb.json", "duckdb_array.json", "duckdb.parquet"),
    *_of(DUCKDB, "duckdb_partitions"),
    *_of("datasets 5.2.0", "datasets.parquet", "datasets.csv", "datasets_on_disk", rows=numbered(ROWS)),
    *_of("datasets 5.2.0", "datasets.jsonl", rows=numbered(ROWS), param={"time_format": "epoch_ms"}),
    *_of("openpyxl 3.1.5", "openpyxl.xlsx", columns=NAMED),
    *_of("openpyxl 3.1.5", "openpyxl_second_sheet.xlsx", columns=NAMED, param={"sheet": "tickets"}),
    *_of("openpyxl 3.1.5", "openpyxl_numbers.xlsx", columns=NAMED, rows=numbered(ROWS)),
    *_of(f"{PANDAS}, XlsxWriter", "pandas.xlsx"),
    *_of(f"{PANDAS}, openpyxl 3.1.5", "pandas_index.xlsx"),
    *_of(OFFICE, "libreoffice.xlsx", "libreoffice.ods", "libreoffice.xls", "libreoffice.fods", columns=NAMED),
    *_of(
        OFFICE,
        "libreoffice.csv",
        "libreoffice_semicolon.csv",
        "libreoffice_tab.csv",
        "libreoffice_utf16.csv",
        columns=NAMED,
    ),
    *_of(
        OFFICE,
        "libreoffice_cp1252.csv",
        "libreoffice_cp1252_semicolon.csv",
        columns=NAMED,
        rows=PLAIN,
        param={"encoding": "cp1252"},
    ),
    *_of(R, "r_write_csv.csv", "r_write_csv_no_names.csv", "r_write_csv2.csv", "r_write_table_escaped.tsv"),
    *_of(R, "r_latin1.csv", rows=PLAIN, param={"encoding": "cp1252"}),
    *_of(R, "r_write_table.txt"),
    *_of(R, "r_write_table_unquoted.tsv", rows=PLAIN),
    *_of("SQLite 3.40", "sqlite.csv", "sqlite.json", "sqlite.db", columns=NAMED),
    *_of("SQLite 3.40", "sqlite_tabs.tsv", columns=NAMED, rows=ONE_LINE),
    *_of("SQLite 3.40", "sqlite_list.txt", columns=NAMED, rows=[row for row in ONE_LINE if "|" not in row[0]], held=1),
    *_of(POSTGRES, "postgres.csv", "postgres_pipe.csv", columns=NAMED),
    *_of(POSTGRES, "postgres_text.tsv", columns=NAMED, param={"format": "database_text"}),
    *_of(
        POSTGRES,
        "postgres_text_no_header.tsv",
        columns=NUMBERED,
        param={"format": "database_text", "dialect": {"header": 0}},
    ),
    *_of(MARIADB, "mariadb_batch.tsv", columns=NAMED, param={"format": "database_text"}),
    *_of(
        MARIADB,
        "mariadb_outfile.tsv",
        columns=NUMBERED,
        param={"format": "database_text", "dialect": {"header": 0}},
    ),
    *_of(MARIADB, "mariadb_outfile.csv", columns=NUMBERED, param={"dialect": {"header": 0, "escape": "\\"}}),
    *_of(SPARK, "spark_csv", "spark_csv_escaped", "spark_csv_gz", "spark_json", "spark_json_by_month"),
    *_of(SPARK, "spark_parquet", "spark_parquet_by_label"),
    *_of(
        SPARK,
        "spark_csv_no_header",
        columns={"text": "1", "label": "2", "timestamp": "3"},
        param={"dialect": {"header": 0}},
    ),
    *_of(
        "label-studio-sdk 2.1.2",
        "label_studio.json",
        columns=NAMED | {"label": "sentiment"},
        held=1,
        param={"format": "label_studio"},
    ),
    *_of(
        "label-studio-sdk 2.1.2",
        "label_studio_min.json",
        "label_studio.csv",
        rows=[(text, label, f"{time}.513742") for text, label, time in ROWS],
        columns=NAMED | {"label": "sentiment"},
        held=2,
        param={"format": "label_studio"},
    ),
    *_of(HAND, "doccano.jsonl", rows=undated(ROWS), columns=UNDATED | {"id": "id"}, param={"format": "doccano"}),
    *_of(HAND, "doccano.csv", rows=undated(ROWS), columns=UNDATED | {"id": "id"}),
    *_of(
        HAND, "prodigy.jsonl", "prodigy_choice.jsonl", rows=undated(ROWS), columns=UNDATED, param={"format": "prodigy"}
    ),
    *_of(HAND, "excel_csv_utf8.csv", "excel_csv_utf8_german.csv", "excel_unicode_text.txt", "sep_line.csv"),
    *_of(HAND, "excel_csv_german.csv", "excel_text_tab.txt", rows=PLAIN, param={"encoding": "cp1252"}),
    *_of(HAND, "excel_mac.csv", rows=PLAIN, param={"encoding": "mac_roman"}),
    *_of(HAND, "google_sheets.csv", param={"time_format": "%m/%d/%Y %H:%M:%S"}),
    *_of(
        HAND,
        "google_forms.csv",
        columns={"text": "What happened?", "label": "Kind", "timestamp": "Timestamp"},
        param={"time_format": "%Y/%m/%d %I:%M:%S %p GMT"},
    ),
    *_of(
        HAND,
        "kaggle_sms_spam.csv",
        rows=undated(PLAIN),
        columns={"text": "v2", "label": "v1"},
        param={"encoding": "cp1252"},
    ),
    *_of(
        HAND,
        "SMSSpamCollection",
        "sms_spam_collection.tsv",
        rows=undated(PLAIN),
        columns={"text": "2", "label": "1"},
        param={"dialect": {"header": 0}},
    ),
    *_of(
        HAND,
        "sentiment140.csv",
        rows=numbered(PLAIN),
        columns={"text": "6", "label": "1", "timestamp": "3", "id": "2"},
        param={"encoding": "cp1252", "dialect": {"header": 0}},
    ),
    *_of(
        HAND,
        "ag_news.csv",
        rows=[(t, str(int(n) + 1), None) for t, n, _ in numbered(PLAIN)],
        columns={"text": "3", "label": "1"},
        param={"dialect": {"header": 0}},
    ),
    *_of(HAND, "fasttext.txt", rows=undated(PLAIN), columns=UNDATED),
    *_of(HAND, "imdb", rows=undated(ROWS), columns=UNDATED),
    *_of(
        HAND,
        "amazon_reviews.jsonl",
        rows=[(t, f"{n}.0", at) for t, n, at in numbered(ROWS)],
        columns={"text": "reviewText", "label": "overall", "timestamp": "unixReviewTime"},
        param={"time_format": "epoch_s"},
    ),
    *_of(HAND, "yelp.json", rows=numbered(ROWS), columns={"text": "text", "label": "stars", "timestamp": "date"}),
    *_of(HAND, "bigquery.csv", "bigquery.json"),
    *_of(HAND, "mongoexport.json", "mongoexport_array.json", columns=PLAIN_COLUMNS | {"timestamp": "created_at.$date"}),
    *_of(
        HAND,
        "elasticsearch.json",
        columns={role: f"_source.{name}" for role, name in PLAIN_COLUMNS.items()},
        param={"records": "hits.hits"},
    ),
    *_of(HAND, "api_items.json", param={"records": "data.items"}),
    *_of(
        HAND,
        "zendesk.json",
        columns={"text": "description", "label": "custom.kind", "timestamp": "created_at", "id": "id"},
        param={"records": "tickets"},
    ),
    *_of(HAND, "github_issues.json", columns={"text": "body", "label": "milestone.title", "timestamp": "created_at"}),
    *_of(HAND, "jq_pretty.json"),
    *_of(
        HAND,
        "slack.json",
        columns={"text": "text", "label": "kind", "timestamp": "ts"},
        param={"time_format": "epoch_s"},
    ),
    *_of(
        HAND,
        "reddit.ndjson",
        columns={"text": "selftext", "label": "link_flair_text", "timestamp": "created_utc"},
        param={"time_format": "epoch_s"},
    ),
    *_of(
        HAND,
        "mails_rfc2822.csv",
        columns={"text": "body", "label": "folder", "timestamp": "Date"},
        param={"time_format": "rfc2822"},
    ),
    *_of(HAND, "comment_lines.csv", param={"dialect": {"comment": "#"}}),
    *_of(HAND, "title_lines.csv", param={"dialect": {"header": 3}}),
    *_of(HAND, "header_repeated.csv", held=1),
    *_of(
        HAND,
        "header_spaces.csv",
        "blank_lines.csv",
        "quoted_all.csv",
        "crlf.csv",
        "iso_zulu.csv",
    ),
    *_of(HAND, "trailing_comma.csv", rows=PLAIN),
    *_of(HAND, "prompt_completion.jsonl", rows=undated(ROWS), columns={"text": "prompt", "label": "completion"}),
    *_of(HAND, "jsonl_bom.jsonl", "jsonl_as_txt.txt"),
    *_of(HAND, "folder_of_a_person", "folder_kaggle", "folder_databricks"),
    *_of(HAND, "folder_two_encodings", rows=PLAIN),
]
