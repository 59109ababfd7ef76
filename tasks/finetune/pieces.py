"""A pass over rows in one file, written in pieces: what a kill leaves whole is not computed again.

Beside the file lies a journal, a line for each piece: its batches and the sha256 of their rows. A line is written after
its rows; nothing is synced, because a piece that a power loss took is one whose sha256 is another.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.files import DAMAGED, replacing, writing
from tasks.finetune.batching import Rows

PIECE_SECONDS = 2.0  # of computing that a kill may cost


@dataclass
class Pieces:
    """The file as an array, [tokens, width] in float32, and which batches of rows it holds."""

    values: npt.NDArray[Any]
    rows: Rows
    batches: list[list[int]]
    journal: Path
    _held: set[int] = field(default_factory=set)
    _open: list[int] = field(default_factory=list)
    _since: float = field(default_factory=monotonic)

    @classmethod
    def opened(cls, file: Path, rows: Rows, batches: list[list[int]], width: int) -> Pieces:
        """What the file holds of these batches, checked against the journal; a new file where there is none."""
        shape, journal = (int(rows.starts[-1]), width), journal_of(file)
        size = 4 * shape[0] * width
        if not file.is_file() or file.stat().st_size != size:
            journal.unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            with writing(file), file.open("wb") as made:
                os.posix_fallocate(made.fileno(), 0, size)  # a full disk is an error here and a signal later
        found = cls(np.memmap(file, np.float32, "r+", shape=shape), rows, batches, journal)
        found._read()
        return found

    def missing(self) -> list[tuple[int, list[int]]]:
        """The batches that are to be computed, with their numbers."""
        return [(number, batch) for number, batch in enumerate(self.batches) if number not in self._held]

    def add(self, number: int) -> None:
        """The rows of a batch are in ``values``."""
        self._open.append(number)
        if monotonic() - self._since >= PIECE_SECONDS:
            self._close()

    def __enter__(self) -> Pieces:
        self._since = monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Also after an error or a request to end: what is whole is kept."""
        self._close()

    def _close(self) -> None:
        if self._open:
            line = json.dumps({"batches": self._open, "sha256": self._digest(self._open)})
            with writing(self.journal), self.journal.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            self._held |= set(self._open)
        self._open, self._since = [], monotonic()

    def _digest(self, numbers: list[int]) -> str:
        found, starts = hashlib.sha256(), self.rows.starts
        for number in numbers:
            for i in self.batches[number]:
                found.update(self.values[starts[i] : starts[i + 1]].data)
        return found.hexdigest()

    def _read(self) -> None:
        """Take in the pieces that are whole; the journal then names no other."""
        if not self.journal.is_file():
            return
        lines = self.journal.read_bytes().splitlines()
        whole = [line for line in lines if self._is_whole(line)]
        if len(whole) < len(lines):
            print(
                f"{len(lines) - len(whole)} of {len(lines)} pieces of the frozen layers' pass in {self.journal.parent} "
                "are damaged: computed anew",
                flush=True,
            )
            with replacing(self.journal) as part:
                part.write_bytes(b"".join(line + b"\n" for line in whole))

    def _is_whole(self, line: bytes) -> bool:
        try:
            piece = json.loads(line)
            whole = bool(self._digest(piece["batches"]) == piece["sha256"])
        except DAMAGED:
            return False
        if whole:
            self._held |= set(piece["batches"])
        return whole


def journal_of(file: Path) -> Path:
    """Where the pieces of a file are listed."""
    return file.with_suffix(".jsonl")
