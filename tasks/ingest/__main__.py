"""Write the rows of one window as they came: ``python -m tasks.ingest --window reference|current``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks import ingest
from tasks.core import params, paths
from tasks.core.cli import WindowOption, run
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.dataset.windows import Columns
from tasks.dataset.windows import load as load_windows
from tasks.ingest import fields, ids, images, late_labels, sources, windows
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import Part, refuse_many_columns


def read(plan: windows.Plan) -> tuple[pa.Table, dict[str, Any]]:
    """The window's rows, in the order of the source, and its figures."""
    account, opening = windows.Account(), plan.opening()
    rows = ids.complete(_together(_kept(plan, opening, account), plan.columns)).combine_chunks()
    joined = None
    if plan.labels:
        rows, joined = late_labels.join(rows, late_labels.labels(plan.labels, f"windows.{plan.window}.labels", opening))
    return rows, _figures(rows, plan, account) | ({"late_labels": joined} if joined else {})


def _kept(plan: windows.Plan, opening: Opening, account: windows.Account) -> list[pa.Table]:
    """The window's rows of each part that has any; the parts themselves are gone with the call."""
    kept = []
    for part in _parts(plan, opening):
        rows = windows.take(fields.rows(part, plan.columns), plan, account)
        if len(rows):
            kept.append(_without_unused(rows, plan.columns) if part.sparse else rows)
    account.settle(plan)
    return kept


def _parts(plan: windows.Plan, opening: Opening) -> Iterator[Part]:
    """The records of the source, the columns checked that ``params.yaml`` names.

    A file whose records each name their columns need not use all of them, but all such files together do.
    """
    parts = _read(plan, opening)
    windows.refuse_undated_range(plan)
    used: dict[str, None] = {}
    sparse = ""
    for part in parts:
        if not part.sparse:
            fields.require(part.file, plan.columns, part.table.column_names, plan.columns_key)
        elif part.records:
            used |= dict.fromkeys(part.table.column_names)
            sparse = sparse or part.file
        refuse_many_columns(len(used), plan.source)
        yield part
    if sparse:
        fields.require(sparse, plan.columns, used, plan.columns_key)


def _read(plan: windows.Plan, opening: Opening) -> Iterator[Part]:
    """The source's files, table by table or image by image."""
    column = plan.columns.image
    files = sources.files(plan.source, plan.source_key, images.SUFFIXES if column else ())
    if column:
        return images.records(Path(plan.source), files, column, opening, plan.source_key)
    return (part for file in files for part in sources.read(file, opening))


def _without_unused(rows: pa.Table, columns: Columns) -> pa.Table:
    kept = fields.base(columns).names
    return rows.select([name for name in rows.column_names if name in kept or rows[name].null_count < len(rows)])


def _together(tables: list[pa.Table], columns: Columns) -> pa.Table:
    try:
        return pa.concat_tables([fields.base(columns).empty_table(), *tables], promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"ingest.source: its files do not agree on the type of a column: {error}") from None


def _figures(rows: pa.Table, plan: windows.Plan, account: windows.Account) -> dict[str, Any]:
    """What the window holds; the reference's figures say nothing of rows outside it, so that those can grow."""
    problems = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["problem"].drop_null()).to_pylist()}
    files = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["source_file"]).to_pylist()}
    figures = {"window": plan.window, "rows": len(rows), "files": files, "problems": dict(sorted(problems.items()))}
    if plan.window == "reference":
        return figures
    counts = {"reference": account.other} if plan.other else {}
    counts |= {"current": account.inside, "undated": account.undated, "outside": account.outside}
    return figures | {"source": {"path": plan.source, "records": account.records, **counts}}


def main(window: WindowOption) -> None:
    """Run the stage on the repository's paths."""
    section = params.load(ingest.Params, "ingest")
    plan = windows.plan(window, load_windows(), section)
    rows, figures = read(plan)
    pa.default_memory_pool().release_unused()  # what reading took and gave back; writing takes as much again
    write_table(rows, layout.window(window).raw)
    write_json(figures, paths.metrics("ingest", window))
    print(f"{window}: {len(rows)} rows of {plan.source}, {sum(figures['problems'].values())} with a problem")


if __name__ == "__main__":
    run(main)
