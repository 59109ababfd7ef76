"""The tables of the page, worked out from the figures: classes, confusions, labels, the way of the rows, quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tasks.core.paths import WINDOWS, WindowName
from tasks.core.rows import text_of
from tasks.images import thumbnail
from tasks.redaction import excerpt
from tasks.report.inputs import Inputs, Record

EXAMPLE = 120  # characters


@dataclass(frozen=True)
class Pair:
    """Rows of one label that were taken for another."""

    truth: str
    predicted: str
    rows: int
    share: float
    """Of the rows with that label."""


def confused(confusion: Record | None) -> list[Pair]:
    """All pairs of labels that were confused, the most frequent first; none where a row may have several labels."""
    if confusion is None:
        return []
    labels: list[str] = confusion["labels"]
    pairs = [
        Pair(truth, predicted, rows, rows / sum(line))
        for truth, line in zip(labels, confusion["counts"], strict=True)
        for predicted, rows in zip(labels, line, strict=True)
        if rows and truth != predicted
    ]
    return sorted(pairs, key=lambda pair: (-pair.rows, pair.truth, pair.predicted))


def classes(by_class: Record, listed: int) -> list[tuple[str, Record]]:
    """Figures of each label: in the model's order where they are few, else the weakest first."""
    pairs = list(by_class.items())
    if len(pairs) <= listed:
        return pairs
    return sorted(pairs, key=lambda pair: (not pair[1]["support"], pair[1]["f1"], pair[0]))


def slices(evaluated: Record) -> dict[str, list[Record]]:
    """The declared and the worst slices, the weakest first."""
    return {
        kind: sorted(evaluated[kind], key=lambda its: (not its["worse"], its["p_adjusted"], its["accuracy"]))
        for kind in ("declared", "worst")
    }


@dataclass(frozen=True)
class Label:
    """Rows of a label among those that passed, by window, and their share of the window's labelled rows."""

    name: str
    rows: Mapping[WindowName, int]
    share: Mapping[WindowName, float]


def labels(inputs: Inputs, listed: int) -> list[Label]:
    """The labels by their rows in both windows, the most frequent first; those beyond ``listed`` as one."""
    counts: dict[WindowName, Counter[str]] = {window: Counter(inputs.validate[window]["labels"]) for window in WINDOWS}
    order = sorted(set().union(*counts.values()), key=lambda name: (-sum(its[name] for its in counts.values()), name))
    shown, rest = (order, []) if len(order) <= listed + 1 else (order[:listed], order[listed:])
    rows = [(name, {window: counts[window][name] for window in WINDOWS}) for name in shown]
    if rest:
        others = {window: sum(counts[window][name] for name in rest) for window in WINDOWS}
        rows.append((f"{len(rest)} other labels", others))
    total = {window: max(1, inputs.validate[window].get("labelled", counts[window].total())) for window in WINDOWS}
    return [Label(name, its, {window: its[window] / total[window] for window in WINDOWS}) for name, its in rows]


@dataclass(frozen=True)
class Balance:
    """A number of rows and what became of them."""

    what: str
    rows: int
    parts: dict[str, int]

    @property
    def even(self) -> bool:
        """Whether no row is missing and none is counted twice."""
        return self.rows == sum(self.parts.values())


def balances(inputs: Inputs) -> list[Balance]:
    """The way of every row, from the source to the splits."""
    validated = [
        Balance(
            f"{window} rows",
            inputs.ingest[window]["rows"],
            {"validated": inputs.validate[window]["validated"], "quarantined": inputs.validate[window]["quarantined"]},
        )
        for window in WINDOWS
    ]
    splits = Balance("validated reference rows", inputs.validate["reference"]["validated"], inputs.split["rows"])
    return [*_of_sources(inputs), *validated, splits]


def _of_sources(inputs: Inputs) -> Iterator[Balance]:
    for window in WINDOWS:
        if source := inputs.ingest[window].get("source"):  # only the window that is read last accounts for its source
            parts = {key: value for key, value in source.items() if key not in ("path", "records")}
            yield Balance(f"records of {source['path']}", source["records"], parts)


@dataclass(frozen=True)
class Example:
    """The beginning of a quarantined row, masked."""

    window: WindowName
    text: str
    label: str | None
    place: str
    id: str
    picture: str | None = None
    """A small copy of an image that can be decoded, as a data URI."""


@dataclass(frozen=True)
class Reason:
    """Why rows were quarantined, how many, and a few of them."""

    code: str
    rows: Mapping[str, int]
    """By window, and ``split`` for the rows that no split could take."""
    examples: list[Example]


def reasons(inputs: Inputs, examples: int) -> list[Reason]:
    """Every reason, the most frequent first."""
    counts: dict[str, Mapping[str, int]] = {window: inputs.validate[window]["reasons"] for window in WINDOWS}
    counts["split"] = {code: rows for code, rows in inputs.split["reasons"].items() if rows}
    codes = Counter({code: 0 for its in counts.values() for code in its})
    for its in counts.values():
        codes.update(its)
    return [
        Reason(code, {place: its.get(code, 0) for place, its in counts.items()}, _examples(inputs, code, examples))
        for code, _ in sorted(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _examples(inputs: Inputs, code: str, most: int) -> list[Example]:
    return [example(window, row) for window in WINDOWS for row in _first(inputs.quarantine[window], code, most)]


def example(window: WindowName, row: Record) -> Example:
    """A quarantined row as the page shows it; an image as a thumbnail, where it can be read."""
    place = f"{row['source_file']}, row {row['source_row']}"
    if row.get("image") is None:
        return Example(window, _text(row), row["label"], place, row["id"])
    words = f"an image of {len(row['image']):,} bytes"
    return Example(window, words, row["label"], place, row["id"], thumbnail(row["image"]))


def _first(table: pa.Table, code: str, most: int) -> list[Record]:
    places = [i for i, its in enumerate(table["reasons"].to_pylist()) if code in its][:most]
    rows: list[Record] = table.take(pa.array(places, pa.int64())).to_pylist()
    return rows


def _text(row: Record) -> str:
    text = text_of(row)
    return excerpt((row["source_bytes"] or b"").decode(errors="replace") if text is None else text, EXAMPLE)
