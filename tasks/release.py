"""Release rows from quarantine after review: ``driftline quarantine release ID... --why "..."``.

Adds to ``data/released.csv`` a line for each row and each reason it is quarantined for; the rows pass with the next
``dvc repro``, and git records who released them and when. A reason that cannot be released (a text that is missing, an
unknown label) is refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.validate import RELEASED
from tasks.validate.releases import RELEASABLE, Release, add_releases

INSTEAD = {
    "label_not_allowed": "add the label to validate.labels (or label_order), or have it corrected in the source",
    "duplicate_image": "its first copy passes already",
    "duplicate_text": "its first copy passes already",
    "landed_again": "the row that landed first passes already",
    "superseded": "land the row again, as it should be",
    "timestamp_unreadable": "have the time corrected in the source",
}


def releases(
    names: Iterable[str], why: str, quarantined: dict[str, Sequence[str]], only: str | None = None
) -> list[Release]:
    """A release for each row named and each of its reasons, or for ``only``; ``quarantined``: the reasons by id."""
    if not why.strip():
        raise UserError("--why: say in a few words why these rows may pass")
    found = []
    for name in names:
        if name not in quarantined:
            raise UserError(f"{name}: no row of that id is in quarantine; `driftline trace {name}` shows where it is")
        reasons = quarantined[name] if only is None else [only]
        if missing := [reason for reason in reasons if reason not in quarantined[name]]:
            raise UserError(f"{name}: it is not quarantined for {missing[0]}, but for {', '.join(quarantined[name])}")
        for reason in reasons:
            if reason not in RELEASABLE:
                advice = INSTEAD.get(reason, "have the row corrected in the source")
                raise UserError(f"{name}: {reason} cannot be released: {advice}")
            found.append(Release(name, reason, why.strip()))
    return found


def release(names: Iterable[str], why: str, only: str | None = None) -> list[Release]:
    """Add a line to ``data/released.csv`` for each of these releases, and return them."""
    found = releases(names, why, _quarantined(), only)
    add_releases(found, RELEASED)
    return found


def _quarantined() -> dict[str, Sequence[str]]:
    quarantined: dict[str, Sequence[str]] = {}
    for window in paths.WINDOWS:
        table = read_table(layout.window(window).quarantine, ["id", "reasons"])
        quarantined |= dict(zip(table["id"].to_pylist(), table["reasons"].to_pylist(), strict=True))
    return quarantined
