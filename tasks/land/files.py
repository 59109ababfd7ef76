"""Land files byte for byte: ``ingest`` reads these formats, and ``validate`` checks the rows.

A file that ``ingest`` could not read is refused, and the others land. A file whose bytes have landed is skipped. A
source of one file that has only grown (csv, tsv, jsonl, not compressed) lands what was appended, under the header it
had. One that changed in any other way lands whole.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Callable, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path

from tqdm import tqdm

from tasks.core.errors import UserError
from tasks.land import FORMATS, Address, Source
from tasks.land.appended import appended_from, keep_header_and_tail
from tasks.land.limits import Limits
from tasks.land.parts import Parts, digest
from tasks.land.trial import records_in

CHUNK = 2**20
AGAIN_NOTE = (
    "all of it has landed; rows landed before are quarantined as landed_again, or with ingest.columns.id as superseded "
    "where they differ"
)
MAX_REFUSED = 3  # files that a message names
_FORMAT = re.compile(rf"\.({FORMATS})$", re.I)


class UnreadableFile(UserError):
    """A file that ``ingest`` could not read; the others of its source land."""


def land_files(name: str, _source: Source, address: Address, parts: Parts, _: bool = False) -> list[str]:
    """Land what is new among the files of a path, a folder or a glob, in name order. Returns notes for the user."""
    files = _matching(name, address.url)
    alone = Path(address.url).expanduser().is_file()
    for file in files:  # all of them are checked before the first one lands
        format_of(file.name, name)
        require_regular(file, name)
        if not alone:
            _refuse_link_out(file, _top(address.url), name)
    copies = [(file.name, partial(copy_unchanged, name, file.resolve(), parts.limits)) for file in files]
    return land_each(name, copies, parts, alone)


def land_each(
    name: str,
    files: Sequence[tuple[str, Callable[[Path], None]]],
    parts: Parts,
    alone: bool,
    done: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Land each named file, which its function copies to a path; notes for the user. ``done`` is told which are in.

    UserError with the first of those that ``ingest`` could not read, after the others have landed.
    """
    notes: list[str] = []
    refused: list[str] = []
    for file, fetch in tqdm(files, desc=name, unit=" files", delay=1, disable=None):
        extension = format_of(file, name)
        copy = parts.scratch.with_name(f"{name}.copy.{extension}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            fetch(copy)
            notes += land_bytes(copy, extension, parts, file, alone=alone)
            done(file)
        except UnreadableFile as error:
            refused.append(str(error))
        finally:
            copy.unlink(missing_ok=True)
    if refused:
        more = f"; and {len(refused) - MAX_REFUSED} more" if len(refused) > MAX_REFUSED else ""
        shown = "; ".join(refused[:MAX_REFUSED])
        raise UserError(f"{name}: {len(refused)} of {len(files)} files were refused, the others landed: {shown}{more}")
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


def _top(path: str) -> Path:
    """The folder that a path or a glob begins with, its links followed."""
    here = Path(path).expanduser()
    if here.is_dir():
        return here.resolve()
    plain = itertools.takewhile(lambda part: not has_magic(part), here.parent.parts)
    return Path(*plain).resolve()


def _refuse_link_out(file: Path, top: Path, where: str) -> None:
    """UserError: who may write into the folder could have any file of this machine land."""
    if not file.resolve().is_relative_to(top):
        raise UserError(f"{where}: {file} is a link that leads out of {top}: put the file in its place")


def format_of(file: str, where: str) -> str:
    """The format that a file's name ends in."""
    if (match := _FORMAT.search(file)) is None:
        raise UserError(
            f"{where}: {file} is not csv, tsv, json, jsonl, ndjson (or .gz, .zst of these), parquet, xlsx, ods or xls: "
            "leave it out"
        )
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


def copy_unchanged(where: str, file: Path, limits: Limits, copy: Path) -> None:
    """Copy a file; UserError where it changed meanwhile."""
    before = require_regular(file, where)
    # What has replaced the file since must neither block, as a pipe would, nor lead elsewhere, as a link.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
    with os.fdopen(os.open(file, flags), "rb") as source, copy.open("wb") as target:
        while target.tell() <= before.st_size and (chunk := source.read(CHUNK)):  # no further, however it grows
            limits.spend_bytes(len(chunk))
            target.write(chunk)
    after = require_regular(file, where)
    states = {(status.st_size, status.st_mtime_ns) for status in (before, after)}
    if len(states) > 1 or copy.stat().st_size != after.st_size:
        raise UserError(f"{where}: {file} changed while it was read: land it again when it is complete")


def land_bytes(copy: Path, extension: str, parts: Parts, file: str, alone: bool) -> list[str]:
    """Land a copy of a file, or what was appended to it; ``alone``: every part is of this one file.

    UserError where ``ingest`` could not read it. A file that holds no record is left out, with a note.
    """
    if copy.stat().st_size == 0:
        return [f"{file} is empty"]
    if digest(copy) in parts.digests:
        return []
    if not _records(copy, parts, file):
        return [f"{file} holds no records, and is left out"]
    if alone:
        return _land_grown(copy, extension, parts, file)
    earlier = parts.beginnings.earlier(copy, extension)
    parts.add_file(copy, extension)
    if earlier is None:
        return []
    return [
        f"{file} begins with all of {earlier.name}, as if lines were appended: {AGAIN_NOTE}; "
        "name it as a source of its own"
    ]


def _records(copy: Path, parts: Parts, file: str) -> int:
    try:
        return records_in(copy, parts.plan)
    except UserError as error:
        raise UnreadableFile(str(error).replace(str(copy), file)) from None


def _land_grown(copy: Path, extension: str, parts: Parts, file: str) -> list[str]:
    """Land what a file of which every part is has gained, or all of it where it changed in another way."""
    landed = parts.data
    chains = (landed[i:] for i in range(len(landed)))
    end = next((end for chain in chains if (end := appended_from(copy, chain, extension)) is not None), None)
    if end is None:
        again = bool(landed)
        parts.add_file(copy, extension)
        return [f"{file} has changed in more than appended lines: {AGAIN_NOTE}"] if again else []
    if end < copy.stat().st_size:
        keep_header_and_tail(copy, end, extension)
        parts.add_file(copy, extension)
    return []
