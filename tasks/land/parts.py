"""The parts of one landing: immutable files ``<sequence>-<hash>.<format>``, so that name order is order of arrival.

The parts are the only state of a landing. Their names hold the beginning of the sha256 of their bytes, and every
landing checks it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.core.tables import write_table
from tasks.land import FORMATS

_NAME = re.compile(rf"(\d{{6}})-([0-9a-f]{{16}})\.{FORMATS}")


def digest(path: Path) -> str:
    """The first 16 hex digits of the sha256 of a file's bytes."""
    return sha256_of(path)[:16]


class Parts:
    """The parts of the landing in ``folder``; with ``dry`` nothing is added to it."""

    def __init__(self, folder: Path, dry: bool = False) -> None:
        self.folder, self.dry = folder, dry
        self.scratch = folder.parent / ".partial" / folder.name
        """Where a part is written before it is moved: the folder itself holds complete parts only."""
        self.files = self._verified()
        self._before = len(self.files)
        self.added: list[str] = []
        self.rows = 0

    def _verified(self) -> list[Path]:
        files = sorted(self.folder.iterdir()) if self.folder.exists() else []
        again = f"restore it with `dvc checkout {self.folder}`, or land under another name"
        for number, file in enumerate(files, 1):
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise UserError(f"{file} is not a part that was landed: the folder holds nothing else, so remove it")
            if int(match[1]) != number:
                raise UserError(f"{self.folder}: part {number:06d} is missing or there twice: {again}")
            if digest(file) != match[2]:
                raise UserError(f"{file} is not what was landed: its bytes have changed; {again}")
        return files

    def digests(self) -> set[str]:
        """The hashes of the parts' bytes."""
        return {file.name[7:23] for file in self.files}

    def add_rows(self, table: pa.Table) -> None:
        """Land rows as one part of parquet."""
        if self.dry:
            self._count("parquet", len(table))
            return
        path = self.scratch.with_name(f"{self.scratch.name}.parquet")
        write_table(table, path)
        self.add_file(path, "parquet", len(table))

    def add_file(self, path: Path, extension: str, rows: int = 0) -> None:
        """Land a file of the scratch folder as the next part; the move is atomic."""
        if not self.dry:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            target = self.folder / f"{len(self.files) + 1:06d}-{digest(path)}.{extension}"
            path.replace(target)
            self.files.append(target)
        self._count(extension, rows)

    def _count(self, extension: str, rows: int) -> None:
        self.added.append(f"{self._before + len(self.added) + 1:06d}.{extension}")
        self.rows += rows


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the landing of that folder; a crash releases it. UserError: another process has the lock."""
    lock = folder.parent / ".partial" / f"{folder.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise UserError(f"{folder.name}: another landing of it is running: wait for it to end") from None
