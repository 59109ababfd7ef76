"""Which parts a file begins with: a file that has only grown lands what was appended."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

CHUNK = 2**20
MAX_BEGINNING = 2**16  # bytes of the lines that candidates are found by
HEADLESS = ("jsonl", "ndjson")
GROWING = ("csv", "tsv", *HEADLESS)


class Beginnings:
    """Parts by their first lines, so that a file is compared with few of them, however many have landed."""

    def __init__(self) -> None:
        self._parts: defaultdict[bytes, list[Path]] = defaultdict(list)

    def add(self, part: Path) -> None:
        """Take in a part that has landed."""
        if (extension := extension_of(part)) in GROWING:
            self._parts[_beginning(part, extension)].append(part)

    def earlier(self, copy: Path, extension: str) -> Path | None:
        """The first part that the file begins with, whole lines each."""
        if extension not in GROWING:
            return None
        candidates = self._parts.get(_beginning(copy, extension), [])
        return next((part for part in candidates if appended_from(copy, [part], extension) is not None), None)


def extension_of(part: Path) -> str:
    """The format of a part, such as ``csv.gz``."""
    return part.name.partition(".")[2]


def _beginning(file: Path, extension: str) -> bytes:
    """The extension, the header and the first record."""
    with file.open("rb") as lines:
        read = [lines.readline(MAX_BEGINNING) for _ in range(1 if extension in HEADLESS else 2)]
    return extension.encode() + b"\0" + b"".join(read)


def appended_from(copy: Path, chain: list[Path], extension: str) -> int | None:
    """Where a file's new bytes begin; None unless it begins with the records of these parts, whole lines each."""
    if extension not in GROWING or any(extension_of(part) != extension for part in chain):
        return None
    with copy.open("rb") as file:
        first = file.readline()
        if b"\0" in first or (b'"' in first and extension not in HEADLESS):  # UTF-16, or names that may go over lines
            return None
        file.seek(0)
        for number, part in enumerate(chain):
            with part.open("rb") as landed:
                if number:
                    landed.seek(len(header_of(part, extension)))
                last = b""
                while chunk := landed.read(CHUNK):
                    if file.read(len(chunk)) != chunk:
                        return None
                    last = chunk
                if not last.endswith(b"\n"):
                    return None
        return file.tell()


def header_of(file: Path, extension: str) -> bytes:
    """The line that names the columns; none in jsonl."""
    with file.open("rb") as lines:
        return b"" if extension in HEADLESS else lines.readline()


def keep_header_and_tail(copy: Path, start: int, extension: str) -> None:
    """Reduce a file to its header and the bytes from ``start`` on."""
    tail = copy.with_suffix(".tail")
    with copy.open("rb") as file, tail.open("wb") as target:
        target.write(header_of(copy, extension))
        file.seek(start)
        shutil.copyfileobj(file, target, CHUNK)
    tail.replace(copy)
