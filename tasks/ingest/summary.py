"""What is printed of one window: where its records went, and what was found in its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.ingest.reading import Reading
from tasks.ingest.time_formats import ISO
from tasks.ingest.windows import Plan, RecordCounts

MAX_LISTED = 5


def lines(figures: Mapping[str, Any], reading: Reading) -> Iterator[str]:
    """One line for the window, then one for each finding."""
    plan, clock, changes = reading.plan, reading.clock, reading.changes
    problems = ", ".join(f"{count} {code}" for code, count in figures["problems"].items())
    told = f"with a problem: {problems}" if problems else "with no problem"
    yield f"{plan.window}: {figures['rows']} rows of {plan.source}, {told}{_elsewhere(plan, reading.counts)}"
    formats = {file: form for file, form in clock.formats.items() if form != ISO}
    for form in dict.fromkeys(formats.values()):
        files = [file for file, one in formats.items() if one == form]
        yield f'{_listed(files)}: times are read as "{form}" ({clock.zone or "UTC"} where they name no zone)'
    if clock.folds:
        yield f"{clock.folds} times occur twice in {clock.zone}, when clocks are set back: the first is taken"
    for name, new in reading.renamed.items():
        yield f"column {name!r} plays no part and is kept as {new!r}"
    for change in changes[:MAX_LISTED]:
        yield f"{change}"
    if len(changes) > MAX_LISTED:
        yield f"and {len(changes) - MAX_LISTED} more columns that differ between files"


def _elsewhere(plan: Plan, counts: RecordCounts) -> str:
    """Of the source's records, how many are not in this window, and how many have no time."""
    if not plan.dated:
        return ""
    parts = [
        f"{counts.other} are in the other window" if counts.other else "",
        f"{counts.outside} in neither window" if counts.outside and plan.other else "",
        f"{counts.outside} outside the window" if counts.outside and not plan.other else "",
        f"{counts.undated} have no time that can be read{_taken(plan)}" if counts.undated else "",
    ]
    said = ", ".join(filter(None, parts))
    return f"; of the source's {counts.records} records {said}" if said else ""


def _taken(plan: Plan) -> str:
    return " and are among these" if plan.takes_undated else ": current takes them"


def _listed(files: list[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more files" if len(files) > 3 else "")
