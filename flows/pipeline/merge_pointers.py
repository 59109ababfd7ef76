"""Pointers of DVC (``*.dvc``) in conflict: text merged of both would name data that nobody has.

Where the data of one side are still those of the merge's base, the other side's pointer is taken whole. Where both
changed them, a person decides.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from flows.machine.git import git, succeeds
from tasks.core.yaml_files import parse_yaml

BASE, OURS, THEIRS = 1, 2, 3
"""As git numbers what is in conflict."""
DATA = ("path", "md5", "etag", "checksum", "version_id", "rev", "rev_lock", "url")
"""What says which data they are; sizes and counts follow, descriptions are words."""


def settle(top: Path) -> list[str]:
    """Take what can be taken: the paths, each with the branch it is of, in words."""
    done = []
    for path in _in_conflict(top):
        if side := _side(*(_data(top, number, path) for number in (BASE, OURS, THEIRS))):
            option, words = {OURS: ("--ours", "this branch"), THEIRS: ("--theirs", "the other branch")}[side]
            git(top, "checkout", "--quiet", option, "--", path)
            git(top, "add", "--", path)
            done.append(f"{path} as {words} has it")
    return done


def how_to_settle(path: str) -> str:
    """What a person types for a file in conflict, beside its path; nothing for a text, which is edited."""
    if not path.endswith(".dvc"):
        return path
    quoted = shlex.quote(path)
    return f"{path}: both changed the data; `git checkout --ours {quoted}`, or --theirs, then `git add {quoted}`"


def _in_conflict(top: Path) -> list[str]:
    found = git(top, "diff", "--name-only", "-z", "--relative", "--diff-filter=U").split("\0")
    return sorted({path for path in found if path.endswith(".dvc")})


def _side(base: object, ours: object, theirs: object) -> int | None:
    """Whose pointer counts; None where a person has to say."""
    if ours is None or theirs is None:  # deleted there
        return None
    if theirs in (ours, base):
        return OURS
    return THEIRS if ours == base else None


def _data(top: Path, number: int, path: str) -> object:
    """Which data a version of a pointer names; None where there is none that can be read."""
    if not succeeds(top, "cat-file", "-e", f":{number}:./{path}"):
        return None
    return _only_data(parse_yaml(git(top, "show", f":{number}:./{path}"), Path(path)))


def _only_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _only_data(one) for key, one in value.items() if key in DATA or isinstance(one, dict | list)}
    return [_only_data(one) for one in value] if isinstance(value, list) else value
