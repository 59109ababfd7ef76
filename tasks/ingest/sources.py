"""Which files a source consists of, and whether the repository knows them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.faults import sentence
from tasks.ingest import columnar, database_text, delimited, exports, json_documents, lines, sheets, text_files
from tasks.ingest.by_files import is_by_file, is_worth_naming
from tasks.ingest.decoding import Opening, is_valid
from tasks.ingest.landed_bytes import refuse_changed
from tasks.ingest.partitions import partitions, with_partitions
from tasks.ingest.parts import Part
from tasks.ingest.retired import without_retired
from tasks.ingest.streams import PACKED
from tasks.ingest.watched_source import refuse_unwatched

READERS: dict[str, Callable[[Path, Opening], Iterator[Part]]] = {
    ".csv": partial(delimited.read_delimited_parts, delimiter=","),
    ".tsv": partial(delimited.read_delimited_parts, delimiter="\t"),
    ".txt": text_files.read_text_parts,
    ".jsonl": lines.read_jsonl_parts,
    ".ndjson": lines.read_jsonl_parts,
    ".json": json_documents.read_json_parts,
    ".parquet": columnar.read_parquet_parts,
    ".xlsx": sheets.read_sheet_parts,
    ".ods": sheets.read_sheet_parts,
    ".xls": sheets.read_sheet_parts,
}
UNPACKED = (".parquet", ".xlsx", ".ods", ".xls")
"""Formats that are never packed: they pack themselves."""
FORMATS = (
    "a .csv, .tsv, .txt, .json, .jsonl, .ndjson, .xlsx, .ods, .xls or .parquet file, nor one of the first six packed "
    "as .gz, .zst, .bz2 or .xz"
)
UNFINISHED = {
    "_delta_log": "a Delta table, whose log says which of its files count: export it as parquet",
    "_temporary": "still being written by Spark, or its job was cut off: let it end, or remove _temporary",
}


def list_files(source: str, key: str, besides: Collection[str] = ()) -> list[Path]:
    """The files of a source in name order; ``key`` is where ``params.yaml`` names it, ``besides`` are endings of other
    files that it may hold.

    UserError: a path outside the repository, one that is missing, that DVC does not watch, that holds a file of another
    format, a link that leads elsewhere or no file at all, or that is tracked by neither git nor DVC.
    """
    refuse_unwatched(key, source)
    path = Path(source)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{key}: {source} is outside the repository: copy it to data/, or land it there")
    if not os.path.lexists(path):
        pulled = f"only {path}.dvc is here: run `dvc pull {path}.dvc`"
        here = pulled if os.path.lexists(f"{path}.dvc") else "put it there, or name another"
        raise UserError(f"{key}: {source} does not exist, {here}")
    found = [path]
    if path.is_dir():
        found = sorted((file for file in _files_below(path, key) if not is_by_file(file)), key=Path.as_posix)
    if not found:
        raise UserError(f"{key}: the folder {source} holds no files with records: put some there")
    found = without_retired(found)
    if not found:
        raise UserError(f"{key}: every part of {source} is retired: land what is right")
    for file in found:
        _refuse_unreadable(file, key, besides)
        refuse_changed(file)
    _refuse_untracked(path, found, key)
    return found


def list_by_files(source: str, key: str) -> list[str]:
    """The files of a folder that are left out because they hold no records, but for git's and DVC's own."""
    path = Path(source)
    found = _files_below(path, key) if path.is_dir() else iter(())
    return sorted(file.as_posix() for file in found if is_by_file(file) and is_worth_naming(file))


def read_parts(file: Path, opening: Opening, source: str = "") -> Iterator[Part]:
    """The records of one file of the source, some at a time; folders named key=value are columns."""
    if opening.format == "database_text" and _format(file) in (".csv", ".tsv", ".txt"):
        parts = database_text.read_database_parts(file, opening)
    else:
        parts = READERS[_format(file)](file, opening)
    if opening.format in exports.READERS:
        parts = exports.answered(parts, opening.format, opening.label)
    elif not opening.format:
        parts = exports.undeclared(parts, opening)
    found = partitions(file, Path(source)) if source and file != Path(source) else {}
    return (with_partitions(part, found) for part in parts) if found else parts


def _files_below(folder: Path, key: str) -> Iterator[Path]:
    """Every file in a folder but those in hidden folders. DVC's note about a file says that the file is data."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{key}: {sentence(error) or error}") from None
    for path in entries:
        if path.name.startswith(".") and (path.suffix == ".dvc" or path.is_dir()):
            continue
        if path.name in UNFINISHED:
            raise UserError(f"{key}: {folder} is {UNFINISHED[path.name]}")
        if path.suffix == ".dvc":
            if not os.path.lexists(path.with_suffix("")):
                raise UserError(f"{key}: {path.with_suffix('')} is not here, only {path.name}: run `dvc pull`")
        elif path.is_dir() and not path.is_symlink():
            yield from _files_below(path, key)
        else:
            yield path


def _format(file: Path) -> str:
    name = file.with_suffix("") if file.suffix.lower() in PACKED else file
    return "" if name is not file and name.suffix.lower() in UNPACKED else name.suffix.lower()


def _refuse_unreadable(file: Path, key: str, besides: Collection[str]) -> None:
    shown = file.as_posix()
    if not is_valid(shown):
        raise UserError(f"{key}: the name of {shown!r} is not UTF-8: rename the file")
    if file.suffix.lower() == ".zip":
        raise UserError(
            f"{key}: {file} is a zip archive: run `unzip {file} -d {file.with_suffix('')}` and name what is in it"
        )
    if _format(file) not in READERS and file.suffix.lower() not in besides:
        others = " (nor an image: " + ", ".join(besides) + ")" if besides else ""
        raise UserError(f"{key}: {file} is not {FORMATS}{others}: convert it or move it out of the source")
    try:
        leads_to = file.resolve(strict=True)
    except (OSError, RuntimeError):
        raise UserError(f"{key}: {file} is a link that leads nowhere: put the file in its place") from None
    if not leads_to.is_file():
        raise UserError(f"{key}: {file} is not a regular file: put a file in its place")
    if not leads_to.is_relative_to(Path.cwd().resolve()) and not _known_to_dvc(file):
        raise UserError(f"{key}: {file} leads outside the repository: copy the file into it, or land it")


def _refuse_untracked(source: Path, found: list[Path], key: str) -> None:
    """What no version knows cannot be rebuilt. Outside a git repository there is nothing to ask."""
    listed = _git("ls-files", "-z")
    if listed is None:
        return
    tracked, top = set(listed.split("\0")), Path.cwd().resolve()
    for file in found:
        if _known_to_dvc(file):
            continue
        for path in {file, file.resolve().relative_to(top)}:  # of a link git knows only where it leads
            if path.as_posix() not in tracked and not _known_to_dvc(path):
                raise UserError(
                    f"{key}: {path} is tracked by neither git nor DVC: run `git add {source}` if it is small, "
                    f"`dvc add {source}` if it is not"
                )


def _known_to_dvc(path: Path) -> bool:
    """Whether ``dvc add`` has been run on the file or a folder that it is in."""
    return any(part.with_name(f"{part.name}.dvc").exists() for part in [path, *path.parents] if part.name)


def _git(*arguments: str) -> str | None:
    """What git answers; None where it refuses or is not there."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
