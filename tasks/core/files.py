"""Files and folders written whole or not at all, and JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core.errors import UserError
from tasks.core.faults import LAST_READ, is_machines
from tasks.core.timings import spent_on

DIGITS, SIGNIFICANT, FINEST = 4, 2, 9
"""What one model's figures are promised to on any kind of processor: digits after the point or, of smaller ones, as
many as that leaves, to the ninth. docs/reliability.md has what was measured."""
DAMAGED = (OSError, ValueError, LookupError, TypeError, RecursionError, NotImplementedError, EOFError)


@contextmanager
def reading(path: Path, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """The block reads an artefact: what is no ``kind`` of file is a UserError that names it and what repairs it.

    ``errors``: what the library raises beside Python's own. A fault of the machine stays what it is, with its file.
    """
    LAST_READ.set(path)
    try:
        with spent_on("reading"):
            yield
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run `dvc repro` to make it") from None
    except DAMAGED + errors as error:
        if isinstance(error, OSError) and error.errno and not error.filename:
            raise OSError(error.errno, error.strerror, str(path)) from error
        if is_machines(error):
            raise
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path} cannot be read as {kind}: {said}: run `dvc repro` to make it anew, or `git checkout {path}` if "
            "git has it"
        ) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """The block writes a file: an error of the disk names it."""
    try:
        yield
    except OSError as error:
        if error.errno and not error.filename:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well and is gone when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with writing(path), spent_on("writing"):
            yield part
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: ``path`` holds what the block wrote, and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir()
    try:
        with spent_on("writing"):
            yield part
            if path.exists():
                shutil.rmtree(path)
            part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; one that is there becomes such a folder, if it is ours."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o700)
    return path


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """JSON for people and for diffs: indented, keys in the order given, NaN refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_metrics(value: Mapping[str, Any], path: Path) -> None:
    """A metrics file, which git tracks: figures are rounded, so that they are equal on any kind of processor."""
    write_json(rounded(value), path)


def rounded(value: Any) -> Any:
    """The same with each number that has a fraction rounded to 4 digits after the point, below 0.001 to the first 2
    that are not 0, at any depth."""
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if not isinstance(value, float) or not value:
        return abs(value) if isinstance(value, float) else value  # no -0.0
    digits = min(max(DIGITS, SIGNIFICANT - 1 - math.floor(math.log10(abs(value)))), FINEST)
    return round(float(value), digits) + 0.0


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object an earlier stage wrote."""
    with reading(path, "a JSON object"):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it holds something else")
    return value


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
