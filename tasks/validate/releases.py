"""Rows that somebody released from quarantine after review: ``data/released.csv``, versioned with git.

A line names a row, one reason, and why it may pass. It counts for that reason only: when the row breaks
another rule, now or after the contract has changed, it stays in quarantine.
``driftline quarantine release`` adds lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tasks.core.errors import UserError
from tasks.tables.delimited import read_delimited, text_table, write_delimited
from tasks.validate import own_rules

HEADER = ("id", "reason", "why")
RELEASABLE = (
    "character_not_allowed",
    "conflicting_label",
    "id_conflict",
    "id_duplicate",
    "image_brightness_outside",
    "image_bytes_outside",
    "image_height_outside",
    "image_mode_not_allowed",
    "image_width_outside",
    "personal_data",
    "script_not_allowed",
    "text_pair_too_long",
    "text_pair_too_short",
    "text_too_long",
    "text_too_short",
    "time_outside",
    "value_missing",
    "value_not_unique",
    "value_undecodable",
    "value_unlike_type",
    *(rule.reason for rule in own_rules.RULES),
)
"""Reasons that leave a row with a text and a label to work with. The others are for whoever delivers the data, or, as
``label_not_allowed``, for the contract."""


class Release(NamedTuple):
    """One line of the file."""

    id: str
    reason: str
    why: str


Released = frozenset[tuple[str, str]]
"""Pairs of a row's id and the reason it is no longer quarantined for."""


def read_releases(file: Path) -> list[Release]:
    """The lines of the file in order; none where there is no file."""
    if not file.exists():
        return []
    table = read_delimited(file, guarded=True)
    if tuple(table.column_names) != HEADER:
        raise UserError(f"{file}, line 1: the header must be {','.join(HEADER)}")
    return [_release(file, number, line) for number, line in enumerate(table.to_pylist(), 2)]


def released_reasons(releases: Iterable[Release]) -> Released:
    """The releases as pairs of id and reason, as ``validate`` takes them."""
    return frozenset((release.id, release.reason) for release in releases)


def _release(file: Path, number: int, line: dict[str, str]) -> Release:
    if not all(value.strip() for value in line.values()):
        raise UserError(f"{file}, line {number}: id, reason and why must all be filled in")
    release = Release(**line)
    if release.reason not in RELEASABLE:
        raise UserError(f"{file}, line {number}: {release.reason} cannot be released; {', '.join(RELEASABLE)} can")
    return release


def add_releases(releases: Iterable[Release], file: Path) -> None:
    """Add lines to the file; it is made where it is missing."""
    old = read_releases(file)
    fresh = [release for release in releases if release[:2] not in {known[:2] for known in old}]
    write_delimited(text_table(HEADER, [*old, *fresh]), file, guarded=True)
