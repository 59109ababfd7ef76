"""The bytes of a source file, unpacked if they are packed, with a limit on how many there may be.

Refused here, with the file's name: what is no regular file, what cannot be read, packed data that is damaged or cut off
or that unpacks to a bomb, a source beyond ``ingest.max_bytes``, and a file that changes while it is read.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from tasks.core.errors import UserError

PACKED = {".gz": "gzip", ".zst": "zstd"}
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"PAR1": "parquet", b"BZh": "bzip2"}
RATIO = 200  # how many bytes one packed byte may become
SMALL = 1 << 20  # bytes below which no ratio hurts
BUFFER = 1 << 18


@dataclass
class Budget:
    """How many bytes of a source may be unpacked, over all of its files."""

    most: int
    spent: int = 0

    def spend(self, count: int, path: Path) -> None:
        """Refuse what goes beyond the limit."""
        self.spent += count
        if self.spent > self.most:
            raise UserError(
                f"{path}: the source has more than {self.most} bytes (unpacked), the limit that ingest.max_bytes sets: "
                "raise it if the source is meant to be that large"
            )


def refuse_bomb(unpacked: int, packed: int, path: Path) -> None:
    """Refuse a file that unpacks to far more than it is."""
    if unpacked > max(SMALL, RATIO * packed):
        raise UserError(f"{path}: {packed} bytes unpack to more than {RATIO} times as many: this looks like a bomb")


@contextmanager
def steady(path: Path) -> Iterator[os.stat_result]:
    """A regular file that can be opened and is the same afterwards."""
    try:
        before = path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(before.st_mode):
        raise UserError(f"{path} is not a regular file: put a file in its place")
    yield before
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise UserError(f"{path} changed while it was read: run again when whoever writes it is done")


class _Counted(io.RawIOBase):
    """What ``stream`` gives, counted."""

    def __init__(self, path: Path, stream: IO[bytes], size: int, packed: bool, budget: Budget) -> None:
        self.path, self.stream, self.size, self.packed, self.budget = path, stream, size, packed, budget
        self.seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            found = self.stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            raise UserError(f"{self.path} cannot be unpacked, after {self.seen} bytes: {error}") from None
        self.seen += len(found)
        self.budget.spend(len(found), self.path)
        if self.packed:
            refuse_bomb(self.seen, self.size, self.path)
        elif self.seen > self.size:
            raise UserError(f"{self.path} grows while it is read: run again when whoever writes it is done")
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def opened(path: Path, budget: Budget) -> Iterator[io.BufferedReader]:
    """The unpacked bytes of a file."""
    with steady(path) as found:
        kind = PACKED.get(path.suffix.lower())
        if kind is None and budget.spent + found.st_size > budget.most:
            budget.spend(found.st_size, path)
        with _open(path) as file:
            _refuse_other(path, file, kind)
            counted = _Counted(path, _unpacked(file, kind), found.st_size, kind is not None, budget)
            yield io.BufferedReader(counted, BUFFER)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def _refuse_other(path: Path, file: IO[bytes], kind: str | None) -> None:
    head = file.read(4)
    file.seek(0)
    if kind and not head:
        raise UserError(f"{path} is empty, and so no {kind} file")
    for magic, other in MAGIC.items():
        if head.startswith(magic) and other != kind:
            raise UserError(f"{path} holds {other}, which its name does not say: unpack or rename it")


def _unpacked(file: IO[bytes], kind: str | None) -> IO[bytes]:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return pa.CompressedInputStream(file, kind) if kind else file
