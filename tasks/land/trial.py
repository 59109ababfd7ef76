"""Before a file lands for ever, ``ingest``'s own reader reads it, as ``params.yaml`` says it will."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import get_args

from tasks.core.errors import UserError
from tasks.core.params import load
from tasks.core.paths import PARAMS, WindowName
from tasks.dataset.windows import load as load_windows
from tasks.ingest import Params, fields, sources, windows
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import Part
from tasks.ingest.streams import Budget, open_unpacked

MAX_UNREADABLE = 0.5
"""Share of records that cannot be split into columns: more, and the file is of another format than its name says."""
HEAD = 1024
MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<error", b"<head", b"<body")


def plan_of(folder: Path) -> windows.Plan | None:
    """How ``ingest`` reads the landing in ``folder``; None where ``params.yaml`` does not name it as a source."""
    if not PARAMS.exists():
        return None
    with suppress(UserError):  # the stages say what is wrong with params.yaml; landing does not depend on it
        section, found = load(Params, "ingest"), load_windows()
        plans = (windows.plan(window, found, section) for window in get_args(WindowName))
        return next((plan for plan in plans if Path(plan.source) == folder), None)
    return None


def opening_of(plan: windows.Plan | None) -> Opening:
    """How the files of the landing are opened."""
    return plan.opening() if plan else Opening(Budget(Params().max_bytes))


def records_in(copy: Path, plan: windows.Plan | None) -> int:
    """How many records the file holds. UserError: ``ingest`` could not read it, or it holds something else."""
    opening = opening_of(plan)
    if not copy.name.endswith(sources.UNPACKED):
        with open_unpacked(copy, Budget(opening.budget.max_bytes)) as file:
            head = file.read(HEAD)
        if not head.strip():
            return 0
        _refuse_other_kinds(copy, head)
    counts, unread, used = 0, 0, dict[str, None]()
    for part in sources.read_parts(copy, opening):
        counts += part.records
        unread += len(part.unparseable)
        used |= dict.fromkeys(part.table.column_names)
        _refuse_columns(part, plan)
    if unread > MAX_UNREADABLE * counts:
        raise UserError(f"{copy}: {unread} of {counts} records cannot be split into columns: correct it, or rename it")
    text = plan and plan.columns.text
    if plan and counts and text and text not in used:
        raise UserError(f"{copy} has no column {text!r}, which {plan.columns_key}.text names; it has {', '.join(used)}")
    return counts


def _refuse_other_kinds(copy: Path, head: bytes) -> None:
    """UserError: the first bytes are those of a web page or of JSON."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(MARKUP):
        raise UserError(f"{copy} holds a web page or XML, not data: fetch the file again")
    if head.startswith((b'{"', b"{ ", b"{\n", b"[{")) and re.search(r"\.[ct]sv(\.\w+)?$", copy.name):
        raise UserError(f"{copy} holds JSON, not a table of columns: fetch the file again, or rename it")


def _refuse_columns(part: Part, plan: windows.Plan | None) -> None:
    if plan and part.records and not part.sparse:
        fields.require_columns(part.file, plan.columns, part.table.column_names, plan.columns_key)
