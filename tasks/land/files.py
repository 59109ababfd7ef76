"""Land files byte for byte: ``ingest`` reads these formats, and ``validate`` checks the rows.

A file whose bytes have landed is skipped. A source of one file that has only grown (csv, tsv, jsonl, not
compressed) lands what was appended, under the header it had. One that changed in any other way lands whole.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from glob import has_magic
from pathlib import Path

from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.land import FORMATS, Address, Source
from tasks.land.parts import Parts, digest

CHUNK = 2**20
DUPLICATES_NOTE = "all of it has landed, so rows landed before occur twice, and validate quarantines them as duplicates"
_FORMAT = re.compile(rf"\.({FORMATS})$", re.I)


def land_files(name: str, _source: Source, address: Address, parts: Parts, _: bool = False) -> list[str]:
    """Land what is new among the files of a path, a folder or a glob, in name order. Returns notes for the user."""
    files = _matching(name, address.url)
    for file in files:  # all of them are checked before the first one lands
        format_of(file.name, name)
        require_regular(file, name)
    alone = Path(address.url).expanduser().is_file()
    notes: list[str] = []
    for file in tqdm(files, desc=name, unit=" files", delay=1, disable=None):
        copy = parts.scratch.with_name(f"{name}.copy")
        try:
            copy_unchanged(file, copy, name)
            notes += land_bytes(copy, format_of(file.name, name), parts, file.name, alone=alone)
        finally:
            copy.unlink(missing_ok=True)
    return notes


def _matching(name: str, path: str) -> list[Path]:
    here = Path(path).expanduser()
    if here.is_dir():
        files = sorted(here.iterdir())
    elif here.exists() or not has_magic(path):
        files = [here]
    else:
        top = Path(here.anchor)
        files = sorted(top.glob(str(here.relative_to(top))))
    if not (files := [file for file in files if file == here or not file.name.startswith(".")]):
        raise UserError(f"{name}: no file matches {path}")
    return files


def format_of(file: str, where: str) -> str:
    """The format that a file's name ends in."""
    if (match := _FORMAT.search(file)) is None:
        raise UserError(f"{where}: {file} is not csv, tsv, jsonl or parquet (or .gz, .zst of these): leave it out")
    return match[1].lower()


def require_regular(file: Path, where: str) -> os.stat_result:
    """The status of a regular file; UserError for anything else, or where it cannot be read."""
    try:
        status = file.stat()
    except OSError as error:
        raise UserError(f"{where}: {file} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{where}: {file} is no regular file (a folder, pipe or device): leave it out")
    return status


def copy_unchanged(file: Path, copy: Path, where: str) -> None:
    """Copy a file; UserError where it changed meanwhile."""
    before = require_regular(file, where)
    copy.parent.mkdir(parents=True, exist_ok=True)
    # O_NONBLOCK: a pipe that has replaced the file since must not block.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
    after = require_regular(file, where)
    states = {(status.st_size, status.st_mtime_ns) for status in (before, after)}
    if len(states) > 1 or copy.stat().st_size != after.st_size:
        raise UserError(f"{where}: {file} changed while it was read: land it again when it is complete")


def land_bytes(copy: Path, extension: str, parts: Parts, file: str, alone: bool) -> list[str]:
    """Land a copy of a file, or what was appended to it; ``alone``: every part is of this one file."""
    if copy.stat().st_size == 0:
        return [f"{file} is empty"]
    if digest(copy) in parts.digests():
        return []
    chains = [parts.files[i:] if alone else [parts.files[i]] for i in range(len(parts.files))]
    end = next((end for chain in chains if (end := _appended_from(copy, chain, extension)) is not None), None)
    if alone and end is not None:
        if end < copy.stat().st_size:
            _keep_header_and_tail(copy, end, extension)
            parts.add_file(copy, extension)
        return []
    parts.add_file(copy, extension)
    if end is not None:
        return [
            f"{file} begins with all of an earlier part, as if lines were appended: {DUPLICATES_NOTE}; "
            "name it as a source of its own"
        ]
    return [f"{file} has changed in more than appended lines: {DUPLICATES_NOTE}"] if alone and len(chains) else []


def _appended_from(copy: Path, chain: list[Path], extension: str) -> int | None:
    """Where a file's new bytes begin; None unless it begins with the records of these parts, whole lines each."""
    if extension not in ("csv", "tsv", "jsonl") or any(part.name.partition(".")[2] != extension for part in chain):
        return None
    with copy.open("rb") as file:
        first = file.readline()
        if b"\0" in first or (b'"' in first and extension != "jsonl"):  # UTF-16, or names that may go over lines
            return None
        file.seek(0)
        for number, part in enumerate(chain):
            with part.open("rb") as landed:
                if number:
                    landed.seek(len(_header(part, extension)))
                last = b""
                while chunk := landed.read(CHUNK):
                    if file.read(len(chunk)) != chunk:
                        return None
                    last = chunk
                if not last.endswith(b"\n"):
                    return None
        return file.tell()


def _header(file: Path, extension: str) -> bytes:
    """The line that names the columns; none in jsonl."""
    with file.open("rb") as lines:
        return b"" if extension == "jsonl" else lines.readline()


def _keep_header_and_tail(copy: Path, start: int, extension: str) -> None:
    """Reduce a file to its header and the bytes from ``start`` on."""
    tail = copy.with_suffix(".tail")
    with copy.open("rb") as file, tail.open("wb") as target:
        target.write(_header(copy, extension))
        file.seek(start)
        shutil.copyfileobj(file, target, CHUNK)
    tail.replace(copy)
