"""Let rows out of quarantine after looking at them: ``driftline quarantine release ID... --why "..."``.

Adds to ``data/released.csv`` a line for each row and reason that holds it; ``dvc repro`` then lets them pass, and git
keeps who released them and when. A reason that nobody can wave through (a text that is missing, an unknown label) is
refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.validate import RELEASED
from tasks.validate.releases import RELEASABLE, Release, add

INSTEAD = {
    "label_not_allowed": "add the label to validate.labels, or have it corrected in the source",
    "duplicate_image": "its first copy passes already",
    "duplicate_text": "its first copy passes already",
    "timestamp_unreadable": "have the time corrected in the source",
}


def releases(names: Iterable[str], why: str, held: dict[str, Sequence[str]], only: str | None = None) -> list[Release]:
    """A release for each row named and each reason that holds it, or that one; ``held`` are the reasons by id."""
    if not why.strip():
        raise UserError("--why: say in a few words why these rows may pass")
    found = []
    for name in names:
        if name not in held:
            raise UserError(f"{name}: no row of that id is in quarantine; `driftline trace {name}` shows where it is")
        reasons = held[name] if only is None else [only]
        if missing := [reason for reason in reasons if reason not in held[name]]:
            raise UserError(f"{name}: it is not held for {missing[0]}, but for {', '.join(held[name])}")
        for reason in reasons:
            if reason not in RELEASABLE:
                advice = INSTEAD.get(reason, "have the row corrected in the source")
                raise UserError(f"{name}: {reason} cannot be released: {advice}")
            found.append(Release(name, reason, why.strip()))
    return found


def release(names: Iterable[str], why: str, only: str | None = None) -> list[Release]:
    """Add the lines to ``data/released.csv`` that let these rows pass: those lines."""
    found = releases(names, why, _held(), only)
    add(found, RELEASED)
    return found


def _held() -> dict[str, Sequence[str]]:
    held: dict[str, Sequence[str]] = {}
    for window in paths.WINDOWS:
        table = read_table(layout.window(window).quarantine, ["id", "reasons"])
        held |= dict(zip(table["id"].to_pylist(), table["reasons"].to_pylist(), strict=True))
    return held
