"""Before a file lands for ever, ``ingest``'s own reader reads it, as ``params.yaml`` says it will."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import get_args

from tasks.core.errors import UserError
from tasks.core.params import load
from tasks.core.paths import PARAMS, WindowName
from tasks.dataset.labels import label_format
from tasks.dataset.windows import load as load_windows
from tasks.ingest import Params, fields, sources, windows
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import Part
from tasks.ingest.streams import Budget, open_unpacked

MAX_UNREADABLE = 0.5
"""Share of records that cannot be split into columns: more, and the file is of another format than its name says."""
HEAD = 1024
MARKUP = (b"<!doctype", b"<!--", b"<html", b"<?xml", b"<error", b"<head", b"<body", b"<title", b"<meta", b"<script")
ERRORS = {"error", "errors", "error_description", "message", "detail", "details"}
ABOUT_ERRORS = {
    *ERRORS,
    "code",
    "status",
    "status_code",
    "statuscode",
    "type",
    "title",
    "path",
    "timestamp",
    "request_id",
}
"""What the body of a refusal consists of."""


def plan_of(folder: Path) -> windows.Plan | None:
    """How ``ingest`` reads the landing in ``folder``; None where ``params.yaml`` does not name it as a source."""
    if not PARAMS.exists():
        return None
    with suppress(UserError):  # the stages say what is wrong with params.yaml; landing does not depend on it
        section, found = load(Params, "ingest"), load_windows()
        plans = (windows.plan(window, found, section, label_format()) for window in get_args(WindowName))
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
    if counts == 1 and text not in used:
        _refuse_error(copy, used)
    if plan and counts and text and text not in used:
        raise UserError(f"{copy} has no column {text!r}, which {plan.columns_key}.text names; it has {', '.join(used)}")
    return counts


def _refuse_other_kinds(copy: Path, head: bytes) -> None:
    """UserError: the first bytes are those of a web page or of JSON."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(MARKUP):
        raise UserError(f"{copy} holds a web page or XML, not data: fetch the file again")
    if re.search(r"\.json(\.\w+)?$", copy.name):
        with suppress(ValueError):  # of a body that is longer, or is no JSON
            body = json.loads(head)
            _refuse_error(copy, body if isinstance(body, dict) else ())
    if head.startswith((b'{"', b"{ ", b"{\n", b"[{")) and re.search(r"\.[ct]sv(\.\w+)?$", copy.name):
        raise UserError(f"{copy} holds JSON, not a table of columns: fetch the file again, or rename it")


def _refuse_error(copy: Path, names: Collection[str]) -> None:
    """UserError where the one record of a file is what a server says when it refuses."""
    known = {name.lower() for name in names if isinstance(name, str)}
    if known & ERRORS and known <= ABOUT_ERRORS:
        raise UserError(f"{copy} holds an error message ({', '.join(names)}), not data: fetch the file again")


def _refuse_columns(part: Part, plan: windows.Plan | None) -> None:
    if plan and part.records and not part.sparse:
        fields.require_columns(part.file, plan.columns, part.table.column_names, plan.columns_key)
