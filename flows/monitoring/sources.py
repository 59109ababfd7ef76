"""Rows of a window are read as they are on the deployed branch; code, parameters and model stay the champion's.

In a clone at the champion's commit, what git tracks of rows (``data/``, the sources that ``params.yaml`` names with
their ``.dvc`` files, ``landing.yaml``) is brought to a later commit: rows appended or corrected since are seen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from flows.machine.git import git, succeeds
from flows.runs.old_params import section_today, windows_of
from flows.runs.workspace import LANDING_FILE
from tasks.core import paths
from tasks.core.params import Section

log = logging.getLogger(__name__)
DATA = Path("data")


class _Source(Section, extra="ignore"):
    """Of the section ``ingest``, what says where rows come from."""

    source: str | None = None


def read_at(folder: Path, commit: str) -> None:
    """Bring what git tracks of rows, in a clone, to another commit of it; the index too, so that a record holds it."""
    champion = git(folder, "rev-parse", "HEAD")
    if commit == champion:
        return
    git(folder, "fetch", "--quiet", "origin", commit)
    bring(folder, commit)
    for source in _named(folder):
        if not any(_knows(folder, commit, place) for place in _places(source)):
            log.warning(f"{source} is not in commit {commit[:12]} any more: its rows are read as the champion has them")
            _take(folder, champion, _places(source))


def bring(folder: Path, commit: str) -> None:
    """All that git tracks of rows as a commit that the clone knows has it, in the files and in the index."""
    _take(folder, commit, [DATA, Path(LANDING_FILE), *(place for one in _named(folder) for place in _places(one))])


def _named(folder: Path) -> Iterator[Path]:
    """The sources that ``params.yaml`` names."""
    file = folder / paths.PARAMS
    windows = windows_of(file)
    sources = (section_today(_Source, "ingest", file).source, windows.reference.source, windows.current.source)
    yield from (Path(source) for source in dict.fromkeys(filter(None, sources)))


def _places(source: Path) -> list[Path]:
    """Where git may know a source: itself, the ``.dvc`` file of it or of a folder above, and what is ignored there."""
    above = [source, *(one for one in source.parents if one != Path())]
    return [source, *(one.with_name(f"{one.name}.dvc") for one in above), source.parent / ".gitignore"]


def _knows(folder: Path, commit: str, place: Path) -> bool:
    return place.name != ".gitignore" and succeeds(folder, "cat-file", "-e", f"{commit}:./{place}")


def _take(folder: Path, commit: str, places: list[Path]) -> None:
    """What is there at the commit as it is there, and nothing else of these places that git tracks."""
    for place in places:
        if succeeds(folder, "cat-file", "-e", f"{commit}:./{place}"):
            git(folder, "restore", f"--source={commit}", "--staged", "--worktree", "--", str(place))
        elif git(folder, "ls-files", "--", str(place)):
            git(folder, "rm", "--quiet", "-r", "--force", "--", str(place))
