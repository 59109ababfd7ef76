"""The parts of one landing: immutable files ``<sequence>-<hash>.<format>``, so that name order is order of arrival.

The parts are the only state of a landing. Their names hold the beginning of the sha256 of their bytes, and every
landing checks it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.core.tables import write_table
from tasks.ingest.retired import SUFFIX
from tasks.ingest.windows import Plan
from tasks.land import FORMATS
from tasks.land.appended import Beginnings
from tasks.land.limits import Limits, Params
from tasks.land.trial import plan_of

OBJECTS = ".objects.json"
"""Beside the parts: which objects of a store they hold."""
_NAME = re.compile(rf"(\d{{6,}})-([0-9a-f]{{16}})\.({FORMATS}|retired)")


def digest(path: Path) -> str:
    """The first 16 hex digits of the sha256 of a file's bytes."""
    return sha256_of(path)[:16]


class Parts:
    """The parts of the landing in ``folder``; with ``dry`` nothing is added to it."""

    def __init__(self, folder: Path, dry: bool = False, limits: Limits | None = None) -> None:
        self.folder, self.dry = folder, dry
        self.limits = limits or Limits(folder.name, Params())
        """What this landing has used of its bounds."""
        self.scratch = folder.parent / ".partial" / folder.name
        """Where a part is written before it is moved: the folder itself holds complete parts only."""
        self.files = self._verified()
        self._before = len(self.files)
        self.digests = {file.name.partition("-")[2][:16] for file in self.files}
        """The hashes of the parts' bytes."""
        self.added: list[str] = []
        self.rows = 0

    def _verified(self) -> list[Path]:
        found = self.folder.iterdir() if self.folder.exists() else ()
        files = sorted(file for file in found if file.name != OBJECTS)
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

    @property
    def data(self) -> list[Path]:
        """The parts that hold data, retired ones too: what landed once does not land again."""
        return [file for file in self.files if file.suffix != SUFFIX]

    @cached_property
    def beginnings(self) -> Beginnings:
        """The parts by their first lines."""
        found = Beginnings()
        for file in self.files:
            found.add(file)
        return found

    @cached_property
    def plan(self) -> Plan | None:
        """How ``ingest`` will read the parts; None where no window reads them yet."""
        return plan_of(self.folder)

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
            hashed = digest(path)
            target = self.folder / f"{len(self.files) + 1:06d}-{hashed}.{extension}"
            path.replace(target)
            self.files.append(target)
            self.digests.add(hashed)
            if "beginnings" in self.__dict__:
                self.beginnings.add(target)
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
