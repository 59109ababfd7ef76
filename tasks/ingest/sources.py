"""Which files a source consists of, and whether the repository knows them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tasks.errors import Refused
from tasks.ingest import columnar, delimited, lines
from tasks.ingest.part import Part
from tasks.ingest.watched import refuse_unwatched

READERS: dict[str, Callable[[Path], Part]] = {
    ".csv": partial(delimited.read, delimiter=","),
    ".tsv": partial(delimited.read, delimiter="\t"),
    ".jsonl": lines.read,
    ".parquet": columnar.read,
}


def files(source: str, key: str) -> list[Path]:
    """The files of a source in name order; ``key`` is where ``params.yaml`` names it.

    Refused: a path outside the repository, one that is missing, that DVC does not watch, that holds a file of another
    format, or that is tracked by neither git nor DVC.
    """
    refuse_unwatched(key)
    path = Path(source)
    if path.is_absolute() or ".." in path.parts:
        raise Refused(f"{key}: {source} is outside the repository: copy it to data/, or land it there")
    if not path.exists():
        raise Refused(f"{key}: {source} does not exist")
    found = sorted(filter(_counts, path.rglob("*")), key=Path.as_posix) if path.is_dir() else [path]
    if not found:
        raise Refused(f"{key}: the folder {source} holds no files")
    for file in found:
        if file.suffix.lower() not in READERS:
            raise Refused(f"{key}: {file} is not a {', '.join(READERS)} file: convert it or move it out of the source")
    _refuse_untracked(path, found, key)
    return found


def _counts(path: Path) -> bool:
    """Whether a path in a source's folder is part of it: hidden files are not."""
    return path.is_file() and not path.name.startswith(".")


def read(file: Path) -> Part:
    """The records of one file."""
    return READERS[file.suffix.lower()](file)


def _refuse_untracked(source: Path, found: list[Path], key: str) -> None:
    """What no version knows cannot be rebuilt. Outside a git repository there is nothing to ask."""
    listed = _git("ls-files", "-z", "--", source.as_posix())
    if listed is None:
        return
    tracked = set(listed.split("\0"))
    for file in found:
        if file.as_posix() not in tracked and not _known_to_dvc(file):
            raise Refused(
                f"{key}: {file} is tracked by neither git nor DVC: run `git add {source}` if it is small, "
                f"`dvc add {source}` if it is not"
            )


def _known_to_dvc(path: Path) -> bool:
    """Whether ``dvc add`` has been run on the file or a folder that it is in."""
    return any(part.with_name(f"{part.name}.dvc").exists() for part in [path, *path.parents] if part.name)


def _git(*arguments: str) -> str | None:
    """What git answers; None where it refuses or is not there."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
