"""The bytes of a source file, unpacked if they are packed, with a limit on how many there may be.

Refused here, with the file's name: what is no regular file, what cannot be read, packed data that is damaged or cut off
or that unpacks to a bomb, a source beyond ``ingest.max_bytes``, and a file that changes while it is read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.core.faults import sentence

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
}
MAX_RATIO = 200  # unpacked bytes per packed byte
MIN_BOMB_BYTES = 1 << 20  # unpacked; a smaller file may have any ratio
BUFFER = 1 << 18


@dataclass
class Budget:
    """How many bytes of a source may be unpacked, over all of its files."""

    max_bytes: int
    spent: int = 0

    def spend(self, count: int, path: Path) -> None:
        """Refuse what goes beyond the limit."""
        self.spent += count
        if self.spent > self.max_bytes:
            raise UserError(
                f"{path}: the source has more than {self.max_bytes} bytes (unpacked), the limit of ingest.max_bytes: "
                "raise it if the source is meant to be that large"
            )


def refuse_bomb(unpacked: int, packed: int, path: Path) -> None:
    """Refuse a file that unpacks to far more than it is."""
    if unpacked > max(MIN_BOMB_BYTES, MAX_RATIO * packed):
        raise UserError(
            f"{path}: {packed} bytes unpack to more than {MAX_RATIO} times as many, which looks like a bomb: unpack it "
            "first if it is none"
        )


@contextmanager
def unchanged_while_read(path: Path) -> Iterator[os.stat_result]:
    """The status of a regular file. UserError: it cannot be read, or is another one afterwards."""
    try:
        before = path.stat()
    except OSError as error:
        raise UserError(sentence(error) or f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(before.st_mode):
        raise UserError(f"{path} is not a regular file: put a file in its place")
    yield before
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise UserError(f"{path} changed while it was read: run again when whoever writes it is done")


class _Counted(io.RawIOBase):
    """The bytes of ``stream``, counted against the budget."""

    def __init__(self, path: Path, stream: IO[bytes], size: int, packed: bool, budget: Budget) -> None:
        self.path, self.stream, self.size, self.packed, self.budget = path, stream, size, packed, budget
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            found = self.stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise UserError(
                f"{self.path} cannot be unpacked, after {self.bytes_read} bytes: {error}: fetch it again, or pack it"
            ) from None
        self.bytes_read += len(found)
        self.budget.spend(len(found), self.path)
        if self.packed:
            refuse_bomb(self.bytes_read, self.size, self.path)
        elif self.bytes_read > self.size:
            raise UserError(f"{self.path} grows while it is read: run again when whoever writes it is done")
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def open_unpacked(path: Path, budget: Budget) -> Iterator[io.BufferedReader]:
    """The unpacked bytes of a file."""
    with unchanged_while_read(path) as found:
        kind = PACKED.get(path.suffix.lower())
        if kind is None and budget.spent + found.st_size > budget.max_bytes:
            budget.spend(found.st_size, path)
        with _open(path) as file:
            _refuse_other(path, file, kind)
            counted = _Counted(path, _unpacked(file, kind), found.st_size, kind is not None, budget)
            yield io.BufferedReader(counted, BUFFER)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(sentence(error) or f"{path} cannot be read: {error.strerror}") from None


def _refuse_other(path: Path, file: IO[bytes], kind: str | None) -> None:
    head = file.read(4)
    file.seek(0)
    if kind and not head:
        raise UserError(f"{path} is empty, and so no {kind} file: fetch it again, or remove it")
    if kind in READERS and MAGIC.get(next((one for one in MAGIC if head.startswith(one)), b"")) is None:
        raise UserError(f"{path} cannot be unpacked, it is no {kind} file: take {path.suffix} off its name, or pack it")
    for magic, other in MAGIC.items():
        if head.startswith(magic) and other != kind:
            raise UserError(f"{path} holds {other}, which its name does not say: unpack or rename it")


def _unpacked(file: IO[bytes], kind: str | None) -> IO[bytes]:
    if kind in READERS:
        return READERS[kind](file)
    return pa.CompressedInputStream(file, kind) if kind else file


READERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item,return-value]
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
