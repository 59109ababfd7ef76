"""What ``driftline init`` shows, and the one question it asks."""

from __future__ import annotations

import sys
from datetime import timedelta

import typer

from flows.start.init import REFERENCE_SHARE, Proposal, shown, undivided
from tasks.core.errors import UserError


def show(found: Proposal) -> None:
    """The proposal with its evidence, ten rows as they will be read, and what the data leave open."""
    print(f"\n{found.source}: {len(found.rows)} rows")
    for line in (*found.roles.evidence, _windows(found), _labels(found)):
        print(f"  {line}")
    print()
    _table(shown(found.rows))
    for doubt in (*found.roles.unsettled, *found.doubts):
        print(f"doubt: {doubt}")
    print()


def agreed(found: Proposal, yes: bool) -> bool:
    """Whether to write the proposal. UserError where it takes a person to settle something, and nobody can be asked."""
    if yes and found.roles.unsettled:
        raise UserError(f"params.yaml is not written: {found.roles.unsettled[0]}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError("nobody can be asked here: run it again with --yes to write params.yaml")
    return typer.confirm("Write params.yaml?", default=True)


def other_model(found: Proposal) -> str:
    """What to train in place of a linear model."""
    if undivided(found.rows):
        return (
            "the model is linear and counts words, between which these texts put no space: docs/howto/languages.md "
            "says how to name a multilingual checkpoint"
        )
    return "the model is linear; to fine-tune an encoder of English texts instead: driftline preset transformer"


def _windows(found: Proposal) -> str:
    reference, current = found.windows.reference, found.windows.current
    if not (current.from_ and current.until):
        return "windows: all rows are reference"
    length = (current.until - current.from_) / timedelta(days=1)
    return (
        f"windows: reference until {reference.until:%Y-%m-%d %H:%M}, {REFERENCE_SHARE:.0%} of the dated rows; "
        f"current until {current.until:%Y-%m-%d %H:%M}: later windows are as long, {length:.3g} days, unless "
        "windows.current in params.yaml is shortened"
    )


def _labels(found: Proposal) -> str:
    labels = found.labels
    if labels is None:
        return f"labels: any; texts of up to {found.max_length} tokens"
    few = ", ".join(map(repr, labels[:8])) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
    return f"labels: {few}, and no others; texts of up to {found.max_length} tokens"


def _table(rows: list[dict[str, str]]) -> None:
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        print("  " + "  ".join(f"{row[name]:<{width[name]}}" for name in columns).rstrip())
