"""Show the history of one row: ``driftline trace ID [--text]``.

From the record of the source through validation, the split and the model's answer, as far as the tables under
``data/`` tell. The beginning of an id is enough where no other row's begins like it. The text is masked unless
``--text`` asks for it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.paths import WindowName
from tasks.core.rows import inputs, modality, text_of
from tasks.core.tables import batches, unpacked
from tasks.dataset import layout
from tasks.images import digest, opened
from tasks.redaction import excerpt
from tasks.split import NAMES
from tasks.split import Params as Split
from tasks.split.neighbours import find_similar
from tasks.validate import RELEASED
from tasks.validate.duplicates import normalised
from tasks.validate.releases import read_releases

MAX_EXCERPT = 300  # characters
MAX_SHOWN = 5  # near-duplicates
Record = dict[str, Any]
Line = tuple[str, str]


def trace(name: str, whole: bool = False) -> list[Line]:
    """What is known of the row, as pairs of a heading and a text, in the order of the stages."""
    window, raw = _raw(name)
    key = raw["id"]
    return [
        ("id", key),
        ("source", f"{raw['source_file']}, row {raw['source_row']}"),
        ("window", f"{window}, {raw['timestamp']:%Y-%m-%d %H:%M:%S} UTC" if raw["timestamp"] else f"{window}, no time"),
        ("label", "none" if raw["label"] is None else raw["label"]),
        *_content(raw, whole),
        *_validated(window, key),
        *_split(window, key),
        *_scored(window, key),
    ]


def _raw(name: str) -> tuple[WindowName, Record]:
    """The row whose id this is or whose id alone begins with it, as it came."""
    found = [(window, row) for window in paths.WINDOWS for row in _rows(layout.window(window).raw, name, begins=True)]
    exact = [(window, row) for window, row in found if row["id"] == name]
    if not found:
        raise UserError(f"no row's id begins with {name!r}, in neither window; rows outside of both are not kept")
    if not exact and len(found) > 1:
        ids = ", ".join(row["id"] for _, row in found[:5])
        raise UserError(f"the ids of {len(found)} rows begin with {name!r}, such as {ids}: give more of it")
    return (exact or found)[0]


def _rows(file: Path, name: str, begins: bool = False, columns: list[str] | None = None) -> list[Record]:
    """The rows of a table with this id, or whose id begins so; none where no stage has written the table yet."""
    if not file.exists():
        return []
    matches = pc.starts_with(ds.field("id"), name) if begins else ds.field("id") == name
    rows: list[Record] = ds.dataset(file).to_table(columns=columns, filter=matches).to_pylist()
    return rows


def _content(raw: Record, whole: bool) -> Iterator[Line]:
    if modality(raw) == "text":
        yield from ((name, _text(raw, name, whole)) for name in inputs(raw))
        return
    image = opened(raw["image"])
    size = f", {image.mode} {image.picture.width} x {image.picture.height}" if image.picture else ""
    yield "image", f"{len(raw['image'] or b''):,} bytes{size}"


def _text(raw: Record, name: str, whole: bool) -> str:
    if raw[name] is None:
        record = (raw["source_bytes"] or b"").decode(errors="replace")
        return f"none; the record reads: {record if whole else excerpt(record, MAX_EXCERPT)}"
    text: str = raw[name]
    return text if whole else excerpt(text, MAX_EXCERPT)


def _validated(window: WindowName, key: str) -> Iterator[Line]:
    where = layout.window(window)
    if quarantined := _rows(where.quarantine, key):
        yield "validate", f"quarantined: {', '.join(quarantined[0]['reasons'])}"
        yield from _copies(window, quarantined[0])
    elif _rows(where.validated, key, columns=["id"]):
        yield "validate", "passed"
    else:
        yield "validate", f"not validated yet: run `dvc repro validate@{window}`"
    for release in read_releases(RELEASED):
        if release.id == key:
            yield "released", f"from {release.reason}: {release.why}"


def _copies(window: WindowName, quarantined: Record) -> Iterator[Line]:
    """The rows with the same content, of a row that is quarantined for them."""
    if not {"duplicate_text", "duplicate_image", "conflicting_label"} & set(quarantined["reasons"]):
        return
    names = inputs(quarantined)
    key = _pixels if modality(quarantined) == "image" else normalised
    content = [key(quarantined[name]) for name in names]
    for batch in batches(unpacked(layout.window(window).raw, ["id", *names, "label"])):
        for row in batch.filter(pc.is_valid(batch[names[0]])).to_pylist():
            if row["id"] != quarantined["id"] and [row[name] and key(row[name]) for name in names] == content:
                yield "says the same", f"{row['id']}, label {row['label']}"


def _pixels(image: bytes) -> str | None:
    picture = opened(image).picture
    return digest(picture) if picture else None


def _split(window: WindowName, key: str) -> Iterator[Line]:
    if window != "reference":
        return
    for name in NAMES:
        if rows := _rows(layout.split(name), key):
            yield "split", name
            yield from _related(rows[0])
    if quarantined := _rows(layout.split("quarantine"), key):
        yield "split", f"quarantined: {', '.join(quarantined[0]['reasons'])}"
        yield from _related(quarantined[0])


def _related(row: Record) -> Iterator[Line]:
    """The declared group of the row, and its near-duplicates."""
    section = params.load(Split, "split")
    if section.group:
        yield "group", f"{section.group} {row[section.group]}"
    text = text_of(row)
    if section.similarity is None or text is None:
        return
    near: list[str] = []
    for batch in batches(unpacked(layout.window("reference").validated, ["id", *inputs(row)])):
        others = batch.filter(pc.field("id") != row["id"]).to_pylist()
        similar = find_similar(text, [text_of(each) or "" for each in others], section.similarity)
        near += [others[place]["id"] for place in similar]
    more = f" and {len(near) - MAX_SHOWN} more" if len(near) > MAX_SHOWN else ""
    yield "resembles", ", ".join(near[:MAX_SHOWN]) + more if near else "no other row"


def _scored(window: WindowName, key: str) -> Iterator[Line]:
    for row in _rows(layout.window(window).scored, key):
        decision = "abstains" if row["decision"] is None else f"decides {row['decision']}"
        yield "model", f"says {row['prediction']} with {row['confidence']:.3f}, {decision}"
