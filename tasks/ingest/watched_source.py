"""Whether DVC watches a file that ``params.yaml`` names for one window only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.core.errors import UserError
from tasks.core.yaml_files import read_yaml

PIPELINE = Path("dvc.yaml")
SOURCES, LABELS = "data/sources", "data/labels"
"""Folders that the stage depends on as shipped: windows' own sources, and labels that came after their rows."""


def refuse_unwatched(key: str, source: str) -> None:
    """DVC runs a stage again for the deps that ``dvc.yaml`` names; a file it does not name would change unseen.

    ``key`` is where ``params.yaml`` names the file. ``ingest.source`` is a dep, and so are two folders; any other file
    must be written into ``dvc.yaml``, which is read as data: a comment makes nothing a dep.
    """
    if is_watched(key, source, key.split(".")[1]):
        return
    name = PurePosixPath(source).name
    raise UserError(
        f"{key}: DVC does not watch {source}, and its changes would go unseen: move it into the folder that DVC "
        f'watches (`git mv {source} {SOURCES}/{name}`), or write "${{{key}}}" among the deps of ingest in {PIPELINE}'
    )


def is_watched(key: str, source: str, window: str) -> bool:
    """Whether the stage of that window depends on the file."""
    watched = key == "ingest.source" or any(PurePosixPath(source).is_relative_to(top) for top in (SOURCES, LABELS))
    return watched or not PIPELINE.exists() or f"${{{key}}}" in _deps(window)


def _deps(window: str) -> set[str]:
    """What the stage of the window depends on as ``dvc.yaml`` writes it, before DVC resolves it."""
    stage = (read_yaml(PIPELINE) or {}).get("stages", {}).get("ingest", {})
    deps = set(_strings(stage.get("do", stage).get("deps", [])))
    item = stage.get("foreach", {})
    item = item.get(window, {}) if isinstance(item, dict) else {}
    return deps | {value for name, value in item.items() if f"${{item.{name}}}" in deps}


def _strings(value: Any) -> Iterator[str]:
    """The names in a list of deps; one with options is a mapping of its name to them."""
    for one in value:
        yield from one if isinstance(one, dict) else [one]
