"""Validate one window's rows: ``python -m tasks.validate --window reference|current``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core import params, paths
from tasks.core.cli import WindowOption, run
from tasks.core.errors import UserError
from tasks.core.files import private_folder, write_metrics
from tasks.core.paths import WindowName
from tasks.core.rows import inputs, modality
from tasks.core.tables import batches, on_disk, unpacked, writing_table
from tasks.dataset import layout
from tasks.dataset.labels import SINGLE, LabelFormat, label_format
from tasks.dataset.layout import WindowPaths
from tasks.dataset.schema import REASONS
from tasks.validate import RELEASED, Params, decoded_twice, image_checks, labels, personal, releases
from tasks.validate.corrections import write_corrections
from tasks.validate.expectations import rule_checker
from tasks.validate.reasons import Reasons, failing, named, row_reasons
from tasks.validate.releases import Released
from tasks.validate.window import broken_rules


def validate(
    raw: pa.Table,
    section: Params,
    window: WindowName,
    where: WindowPaths,
    released: Released = frozenset(),
    cells: LabelFormat = SINGLE,
) -> dict[str, object]:
    """Validate the rows, write both tables and Data Docs, and return the figures.

    ``released`` are the rows that may pass though they break a rule; ``cells``: how labels are written. Raises
    ``UserError`` when a table rule fails; then the quarantine and Data Docs are there to look at, and no validated
    table is.
    """
    where.validated.unlink(missing_ok=True)
    section = labels.with_order(section, cells)
    raw, merged = labels.merge_labels(raw, section.merge_labels, cells)
    look_alikes = labels.find_look_alikes(cells.count_column(raw["label"]), merged)
    kind = modality(raw.column_names)
    texts = inputs(raw.column_names) if kind == "text" else []
    twice = sorted({place for name in texts for place in decoded_twice.decoded_twice(raw[name])})
    findings = [*look_alikes.sentences(), *decoded_twice.sentences(raw, twice)]
    image_checks.refuse_inapplicable_rules(section, kind)
    found = {
        name: personal.find_personal_data(raw[name], section.phone_regions)
        for name in ([] if section.privacy == "off" else texts)
    }
    kinds = personal.kinds(found.values())
    if kind == "image":
        rows = image_checks.with_properties(raw, section.image)
    else:
        rows = _redacted(raw, found) if section.privacy == "redact" else raw
    with rule_checker(raw["timestamp"]) as checker:
        reasons = row_reasons(raw, rows, section, window, checker, kinds, released, cells)
        held = named(raw, reasons)
        _write(raw, held, where.quarantine, reasons)
        quarantined, passed = unpacked(where.quarantine), rows.select(["id", "label"]).filter(pc.invert(held))
        figures = _figures(passed, quarantined, cells) | {
            "released": _count_released(passed, released),
            "personal_data": _counted(kind for those in kinds.values() for kind in those.split(personal.COMMA)),
        }
        broken = (
            broken_rules(figures, passed["label"], quarantined, section, window, checker, cells) if len(raw) else []
        )
        checker.write_docs(where.data_docs, quarantined, findings)
        write_corrections(raw, where.data_docs)
    if broken:
        raise UserError(
            "\n".join([*broken, *findings, f"Look at {where.data_docs}/index.html and {where.quarantine}."])
        )
    if window == "reference" and cells.ordered:  # labels of current may come later, and be none of these
        cells.in_order(cells.count_column(passed["label"]))
    _write(rows, pc.invert(held), where.validated)
    found_texts = {"texts_decoded_twice": len(twice)} if twice else {}
    return figures | look_alikes.figures() | found_texts | ({"findings": findings} if findings else {})


def _redacted(raw: pa.Table, found: Mapping[str, Mapping[int, list[personal.Span]]]) -> pa.Table:
    """The rows with the personal data masked that was found in their texts, by column and position."""

    def parts() -> Iterator[pa.Table]:
        start = 0
        for batch in batches(raw):
            part = batch
            for name, spans in found.items():
                place = raw.column_names.index(name)
                of_batch = {i - start: spans[i] for i in range(start, start + len(batch)) if i in spans}
                part = part.set_column(place, raw.schema.field(name), personal.masked(batch[name], of_batch))
            yield part
            start += len(batch)

    return pa.concat_tables(on_disk(parts())) if any(found.values()) else raw


def _write(rows: pa.Table, chosen: pa.ChunkedArray, path: Path, reasons: Reasons | None = None) -> None:
    """Write those rows; with ``reasons`` each has its own."""
    schema, start = rows.schema if reasons is None else rows.schema.append(REASONS), 0
    with writing_table(path, schema) as write:
        for batch in batches(rows):
            kept = batch.filter(chosen.slice(start, len(batch)))
            write(kept if reasons is None else failing(kept, reasons))
            start += len(batch)


def _figures(passed: pa.Table, quarantined: pa.Table, cells: LabelFormat) -> dict[str, object]:
    count = len(passed) + len(quarantined)
    return {
        "rows": count,
        "validated": len(passed),
        "quarantined": len(quarantined),
        "share_quarantined": round(len(quarantined) / count, 6) if count else 0.0,
        "reasons": _counted(reason for reasons in quarantined["reasons"].to_pylist() for reason in reasons),
        **({"labelled": len(passed) - passed["label"].null_count} if cells.several else {}),
        "labels": dict(sorted(cells.count_column(passed["label"]).items())),
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _count_released(passed: pa.Table, released: Released) -> int:
    """How many of the rows that pass were once quarantined."""
    names = pa.array(sorted({name for name, _ in released}), pa.string())
    return len(passed.filter(pc.is_in(passed["id"], value_set=names)))


def main(window: WindowOption) -> None:
    """Run the stage on the repository's paths."""
    where = layout.window(window)
    private_folder(paths.REPORTS)  # Data Docs show texts
    released = releases.released_reasons(releases.read_releases(RELEASED))
    cells = label_format()
    figures = validate(unpacked(where.raw), params.load(Params, "validate"), window, where, released, cells)
    write_metrics(figures, paths.metrics("validate", window))
    for sentence in figures.get("findings", ()):  # type: ignore[attr-defined]
        print(sentence)
    if window == "reference" and cells.ordered:
        print(f"labels, the lowest first: {', '.join(cells.in_order(figures['labels']))}")  # type: ignore[arg-type]
    why = ", ".join(f"{reason} {count}" for reason, count in dict(figures["reasons"]).items())  # type: ignore[call-overload]
    print(f"{window}: {figures['validated']} of {figures['rows']} rows pass" + (f"; quarantined: {why}" if why else ""))


if __name__ == "__main__":
    run(main)
