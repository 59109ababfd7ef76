"""How artefacts are written: whole or not at all, and the same bytes for the same content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import Refused


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well and is gone when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: ``path`` holds what the block wrote, and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir()
    try:
        yield part
        if path.exists():
            shutil.rmtree(path)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_table(table: pa.Table, path: Path) -> None:
    """Parquet whose bytes depend on the rows and the schema only, not on chunking or on pandas' metadata."""
    with replacing(path) as part:
        pq.write_table(table.combine_chunks().replace_schema_metadata(None), part, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table an earlier stage wrote."""
    try:
        return pq.read_table(path, columns=columns)
    except FileNotFoundError:
        raise Refused(f"{path} does not exist: run `dvc repro` to make it") from None


def columns_of(path: Path) -> list[str]:
    """The names of the columns of a table an earlier stage wrote."""
    try:
        names: list[str] = pq.read_schema(path).names
    except FileNotFoundError:
        raise Refused(f"{path} does not exist: run `dvc repro` to make it") from None
    return names


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """JSON for people and for diffs: indented, keys in the order given, NaN refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object an earlier stage wrote."""
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{path} does not exist: run `dvc repro` to make it") from None
    return value
