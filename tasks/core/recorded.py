"""Whether the files that a stage reads are, byte for byte, what ``dvc.lock`` records of the stages that made them.

DVC trusts the name of what lies in its cache, and a file whose time and size are as they were: a byte that a disk has
lost is checked out and called up to date. So a stage hashes its inputs, which takes a second for a gigabyte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core import by_hand
from tasks.core.errors import UserError
from tasks.core.yaml_files import parse_yaml

LOCK = Path("dvc.lock")
FOLDER = ".dir"  # the end of a folder's hash


@dataclass(frozen=True)
class Output:
    """A file or folder that a stage made."""

    path: Path
    stage: str
    md5: str


def require_inputs(stage: str) -> None:
    """UserError unless the stage's inputs are what the stages recorded that made them.

    What another source gave is not checked, nor what a stage recorded that never ran here, nor what one made by hand.
    """
    stages = _stages()
    made = {Path(out.path): out for out in _outputs(stages)}
    for dep in stages.get(stage, {}).get("deps") or []:
        path = Path(dep["path"])
        for out in made.values():
            if path == out.path or out.path in path.parents or path in out.path.parents:
                _require(out)


def require_output(path: Path) -> None:
    """UserError unless a stage's output is what was recorded when it was made."""
    for out in _outputs(_stages()):
        if out.path == path:
            _require(out)


def note_outputs(stage: str) -> None:
    """Remember what a stage has just made, so that the next one takes it, whatever ``dvc.lock`` records."""
    by_hand.note(Path(out["path"]) for out in _stages().get(stage, {}).get("outs") or [])


def md5_of(path: Path, folder: Path) -> str | None:
    """What ``dvc.lock`` in a folder knows an output by; None where it knows none."""
    outs = (out for stage in _stages(folder).values() for out in stage.get("outs") or [])
    return next((out.get("md5") for out in outs if out["path"] == str(path)), None)


def require_readable() -> None:
    """UserError where there is a ``dvc.lock`` that cannot be read, before DVC says so without a remedy."""
    _stages()


def _stages(folder: Path = Path()) -> Mapping[str, Any]:
    try:
        text = (folder / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise _unreadable("it is not UTF-8") from None
    return stages_in(text)


def stages_in(text: str) -> Mapping[str, Any]:
    """The stages that the text of a ``dvc.lock`` records. UserError: it cannot be read."""
    try:
        content = parse_yaml(text, LOCK, quoted=False)
    except UserError as error:
        raise _unreadable(str(error)) from None
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(each, dict) for each in stages.values()):
        raise _unreadable("it holds no stages")
    entries = [one for stage in stages.values() for kind in ("deps", "outs") for one in stage.get(kind) or []]
    if not all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in entries):
        raise _unreadable("an entry has no path")
    return stages


def _unreadable(why: str) -> UserError:
    return UserError(f"{LOCK} cannot be read ({why}): `git checkout {LOCK}` brings back the committed one")


def _outputs(stages: Mapping[str, Any]) -> Iterator[Output]:
    for stage, entry in stages.items():
        for out in entry.get("outs") or []:
            if out.get("hash") == "md5" and out.get("md5"):
                yield Output(Path(out["path"]), stage, out["md5"])


def _require(out: Output) -> None:
    if not out.path.exists() or digest(out.path) == out.md5 or by_hand.made(out.path):
        return  # what is missing is refused by whoever reads it
    cache = _cache()
    if cache is None or not _object(cache, out.md5).exists():
        return  # what is recorded was never here: this is somebody's own file, not what became of it
    differing, damaged = _differing(out, cache)
    for path in filter(Path.exists, {out.path, *differing}):
        os.utime(path)  # DVC hashes it again, whatever its time and size say
    if damaged:
        raise UserError(
            f"{damaged[0]} is damaged, as it is in DVC's cache, and what is damaged is deleted: run "
            f"`dvc repro {out.stage}` to make it anew"
        )
    raise UserError(
        f"{(differing or [out.path])[0]} is not what {LOCK} records of {out.stage}: run `dvc repro {out.stage}` to "
        f"make it anew, or `dvc commit {out.stage}` to keep what is there"
    )


def digest(path: Path) -> str:
    """The hash that DVC gives a file or folder; hidden files in a folder do not count."""
    if path.is_file():
        return _md5(path)
    listed = json.dumps([{"md5": md5, "relpath": name} for name, md5 in _listing(path)]).encode()
    return hashlib.md5(listed, usedforsecurity=False).hexdigest() + FOLDER


def _listing(folder: Path) -> list[tuple[str, str]]:
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return [(name, _md5(file)) for name, file in sorted((file.relative_to(folder).as_posix(), file) for file in files)]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _differing(out: Output, cache: Path) -> tuple[list[Path], list[Path]]:
    """The files of an output that are not as recorded, and those of them that are damaged in DVC's cache too.

    Both copies of the latter are deleted, so that DVC makes or fetches them again.
    """
    if not out.md5.endswith(FOLDER):
        return [out.path], [out.path] if _drop_damaged(cache, out.md5, out.path) else []
    if _drop_damaged(cache, out.md5, out.path):
        return [], [out.path]
    listed = json.loads(_object(cache, out.md5).read_text(encoding="utf-8"))
    here = dict(_listing(out.path))
    recorded = {out.path / one["relpath"]: one["md5"] for one in listed if here.get(one["relpath"]) != one["md5"]}
    return list(recorded), [path for path, md5 in recorded.items() if _drop_damaged(cache, md5, path)]


def _cache() -> Path | None:
    """Where DVC's cache has its objects; None where this is no DVC repository."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return Path(repo.cache.local.path)
    except DvcException:
        return None


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _drop_damaged(cache: Path, md5: str, path: Path) -> bool:
    """Delete an object of the cache, and the file that was checked out of it, if it is not what its name says."""
    kept = _object(cache, md5)
    damaged = kept.is_file() and _md5(kept) != md5.removesuffix(FOLDER)
    if damaged:
        if path.is_file() and _md5(path) == _md5(kept):
            path.unlink()
        kept.unlink()
    return damaged
