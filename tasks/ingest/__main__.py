"""Ingest the rows of one window unchanged: ``python -m tasks.ingest --window reference|current``."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks import ingest
from tasks.core import params, paths
from tasks.core.cli import WindowOption, run
from tasks.core.files import write_metrics
from tasks.core.tables import on_disk, write_table
from tasks.dataset import layout
from tasks.dataset.labels import label_format
from tasks.dataset.windows import Columns
from tasks.dataset.windows import load as load_windows
from tasks.ingest import fields, ids, images, late_labels, left_out, repeated, sources, statements, summary, windows
from tasks.ingest.column_changes import with_one_type
from tasks.ingest.decoding import Opening
from tasks.ingest.json_records import refuse_no_objects
from tasks.ingest.notes import repeated_notes
from tasks.ingest.parts import Part, refuse_many_columns
from tasks.ingest.reading import Reading
from tasks.ingest.retired import retired_parts
from tasks.ingest.selection import Selection


def read_window(plan: windows.Plan, reading: Reading | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """The window's rows, in the order of the source, and its figures; ``reading`` is told what else was found.

    The values of the rows stand in a file (``tasks.core.tables.on_disk``), so that a window need not fit into memory.
    """
    reading = reading or Reading(plan)
    opening = reading.opening
    found = _concatenated(on_disk(_rows_by_part(reading, opening)), plan.columns)
    rows = ids.fill_ids(found, reading.later)
    joined = None
    if plan.labels:
        rows, joined = late_labels.join_labels(
            rows, late_labels.read_labels(plan.labels, f"windows.{plan.window}.labels", opening, plan.syntax)
        )
    figures = _figures(rows, reading) | ({"late_labels": joined} if joined else {})
    figures |= statements.figures(opening, figures["files"])
    if retired := retired_parts(sorted(Path(plan.source).glob("*.retired"))):
        figures["retired"] = {part.name: why for part, why in retired.items()}
    return rows, figures | left_out.figures(reading.selection, sources.list_by_files(plan.source, plan.source_key))


def _rows_by_part(reading: Reading, opening: Opening) -> Iterator[pa.Table]:
    """The window's rows of each part that has any."""
    kept, plan = False, reading.plan
    for part in map(reading.selection.mark, _checked_parts(plan, opening, reading.selection)):
        reading.compare(part)
        every = fields.rows(part, plan.columns, reading.clock, plan.syntax)
        every = reading.selection.leave_out(every, part, plan, reading.counts)
        rows = windows.select_rows(every, plan, reading.counts)
        if len(rows) < len(every) and plan.columns.id and repeated.landing_of(part.file):
            elsewhere = set(every["id"].to_pylist()) - set(rows["id"].to_pylist()) - {None}
            reading.later.update(dict.fromkeys(elsewhere, part.file))
        if len(rows):
            rows = reading.note(part, rows)
            kept = True
            yield _without_unused(rows, plan.columns) if part.sparse else rows
    reading.selection.refuse_nothing_left(kept, plan, reading.counts)
    reading.counts.check(plan, reading.clock)


def _checked_parts(plan: windows.Plan, opening: Opening, selection: Selection) -> Iterator[Part]:
    """The records of the source, the columns checked that ``params.yaml`` names.

    A file whose records each name their columns need not use all of them, but all such files together do.
    """
    parts = _read_parts(plan, opening)
    windows.refuse_undated_range(plan)
    used: dict[str, None] = {}
    sparse: Part | None = None
    for part in parts:
        if not part.sparse:
            fields.require_columns(part.file, plan.columns, part.table.column_names, plan.columns_key)
            selection.require(part.file, part.table.column_names)
        elif part.records:
            used |= dict.fromkeys(part.table.column_names)
            sparse = sparse or part
        refuse_many_columns(len(used), plan.source)
        yield part
    if sparse:
        refuse_no_objects(sparse, used)
        fields.require_columns(sparse.file, plan.columns, used, plan.columns_key)
        selection.require(sparse.file, used)


def _read_parts(plan: windows.Plan, opening: Opening) -> Iterator[Part]:
    """The source's files, table by table or image by image."""
    column = plan.columns.image
    files = sources.list_files(plan.source, plan.source_key, images.SUFFIXES if column else ())
    if column:
        return images.read_image_parts(Path(plan.source), files, column, opening, plan.source_key)
    return (part for file in files for part in sources.read_parts(file, opening, plan.source))


def _without_unused(rows: pa.Table, columns: Columns) -> pa.Table:
    kept = fields.base(columns).names
    return rows.select([name for name in rows.column_names if name in kept or rows[name].null_count < len(rows)])


def _concatenated(tables: list[pa.Table], columns: Columns) -> pa.Table:
    tables = [fields.base(columns).empty_table(), *tables]
    try:
        return pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables(with_one_type(tables), promote_options="default")


def _figures(rows: pa.Table, reading: Reading) -> dict[str, Any]:
    """What the window holds; the reference's figures say nothing of rows outside it, so that those can grow."""
    plan, counts = reading.plan, reading.counts
    problems = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["problem"].drop_null()).to_pylist()}
    files = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["source_file"]).to_pylist()}
    figures = {"window": plan.window, "rows": len(rows), "files": files, "problems": dict(sorted(problems.items()))}
    figures |= reading.findings()
    if plan.window == "reference":
        return figures
    by_window = {"reference": counts.other} if plan.other else {}
    by_window |= {"current": counts.inside, "undated": counts.undated, "outside": counts.outside}
    by_window |= {"left_out": counts.left_out} if counts.left_out else {}
    return figures | {"source": {"path": plan.source, "records": counts.records, **by_window}}


def main(window: WindowOption) -> None:
    """Run the stage on the repository's paths."""
    gc.freeze()  # records are values without cycles: walking them again and again finds nothing to free
    gc.set_threshold(100_000)
    section = params.load(ingest.Params, "ingest")
    plan = windows.plan(window, load_windows(), section, label_format())
    reading = Reading(plan)
    rows, figures = read_window(plan, reading)
    pa.default_memory_pool().release_unused()  # reading is done, and writing takes as much memory again
    write_table(rows, layout.window(window).raw)
    write_metrics(figures, paths.metrics("ingest", window))
    said = [*summary.lines(figures, reading), *statements.sentences(reading.opening), *left_out.lines(figures)]
    print("\n".join([*said, *repeated_notes(rows, figures.get("retired", {}))]))


if __name__ == "__main__":
    run(main)
