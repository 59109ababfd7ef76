"""Rows for a person to label, and what the labels say when they come back. No Prefect.

Half of the rows are drawn at random, so that the share of right answers among them is an unbiased estimate of the
model's accuracy in the window. The other half are of the segment that carries the verdict, drawn at random within it,
and where it has no more, or none carries it, those that the model is least sure of, which teach it most.
``to_label.csv`` leaves out what the model said, which would lead the labeller.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flows.machine.git import git
from flows.machine.home import Home
from flows.runs.run_record import Measured
from flows.windows.ranges import TimeRange, as_text, as_utc, set_windows
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.rows import TEXT_PAIR, inputs, modality
from tasks.core.tables import columns_of, in_order_of, read_table
from tasks.dataset import layout
from tasks.drift import DRIFT_SEGMENTS
from tasks.tables.delimited import read_delimited, text_table, write_delimited

COLUMNS = ("id", "text", "label", "chosen")  # of pairs text_pair too
RANDOM, SEGMENT, UNCERTAIN = "random", "segment", "uncertain"
COVERAGE = 0.95
FOLDER = Path("data/labels")  # of the pipeline: what `windows.*.labels` reads


@dataclass(frozen=True)
class Row:
    """One row of the window as the model answered it."""

    id: str
    text: str
    label: str | None
    prediction: str
    confidence: float
    segments: frozenset[int] = frozenset()
    """That it is in; none where they are not known."""
    text_pair: str | None = None
    """The second text, of a pair."""


def answered(folder: Path) -> list[Row]:
    """The current window's rows of a clone in which ``score@current`` has run.

    An image's text is its place in the source, where the labeller finds it.
    """
    window = layout.window("current")
    file = folder / window.validated
    pairs = TEXT_PAIR in (shown := inputs(columns_of(file)))
    shown = shown if modality(shown) == "text" else ["source_file", "source_row"]
    rows = read_table(file, ["id", "label", *shown])
    scored = in_order_of(read_table(folder / window.scored, ["id", "prediction", "confidence"]), rows["id"])
    segments = _segments(folder)
    columns = [*(rows[name] for name in ("id", "label", *shown)), scored["prediction"], scored["confidence"]]
    return [
        Row(
            key,
            text[0] if pairs else ", row ".join(map(str, text)),
            label,
            prediction,
            confidence,
            segments.get(key, frozenset()),
            text[1] if pairs else None,
        )
        for key, label, *text, prediction, confidence in zip(*(of.to_pylist() for of in columns), strict=True)
    ]


def _segments(folder: Path) -> dict[str, frozenset[int]]:
    """The segments of each row by its id; nothing where the champion's commit tells none."""
    file = folder / DRIFT_SEGMENTS
    if not file.exists():
        return {}
    table = read_table(file, ["id", "segment"])
    found = defaultdict(set)
    for key, segment in zip(table["id"].to_pylist(), table["segment"].to_pylist(), strict=True):
        found[key].add(segment)
    return {key: frozenset(segments) for key, segments in found.items()}


def choose(rows: list[Row], seed: int, count: int, segment: int | None = None) -> list[tuple[Row, str]]:
    """So many rows, each with why it was chosen; the random half depends on nothing but the ids and the seed.

    The first rows of either half are as random as all of it: whoever labels from the top can stop anywhere. Rows of the
    segment in either half are a random sample of it.
    """
    by_chance = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row.id}".encode()).digest())
    half, rest = by_chance[: count - count // 2], by_chance[count - count // 2 :]
    within = [row for row in rest if segment in row.segments][: count // 2]
    others = [row for row in rest if segment not in row.segments]
    unsure = sorted(others, key=lambda row: (row.confidence, row.id))[: count // 2 - len(within)]
    why = (half, RANDOM), (within, SEGMENT), (unsure, UNCERTAIN)
    return [(row, reason) for chosen, reason in why for row in chosen]


def file_of(home: Home, span: TimeRange | None) -> Path:
    """``to_label.csv`` of a window: beside the clones, which are deleted."""
    name = f"{as_text(span.since)}_{as_text(span.until)}" if span else "undated"
    return home.folder / "to_label" / name / "to_label.csv"


def offer(
    home: Home, span: TimeRange | None, rows: list[Row], seed: int, count: int, segment: int | None = None
) -> Path | None:
    """Write the window's ``to_label.csv``; None where all rows have a label. One that is there is somebody's work."""
    if all(row.label for row in rows):
        return None
    file = file_of(home, span)
    if file.exists():
        return file
    if not count:
        return None
    pairs = any(row.text_pair is not None for row in rows)
    columns = (*COLUMNS[:2], *((TEXT_PAIR,) if pairs else ()), *COLUMNS[2:])
    lines = [
        (row.id, row.text, *((row.text_pair or "",) if pairs else ()), row.label or "", why)
        for row, why in choose(rows, seed, count, segment)
    ]
    home.make()
    write_delimited(text_table(columns, lines), file, guarded=True)
    file.chmod(0o600)
    return file


def measured(rows: list[Row], asked: Path) -> Measured | None:
    """Accuracy without bias: over all rows when all have a label, else over those of the random half that have one.

    With the exact binomial interval (Clopper and Pearson 1934). None while there is nothing to count.
    """
    if all(row.label for row in rows):
        of, how = rows, "all rows"
    else:
        drawn = {line["id"] for line in _lines(asked) if line["chosen"] == RANDOM} if asked.exists() else set()
        of, how = [row for row in rows if row.id in drawn], "the random half of to_label.csv"
    counted = [row for row in of if row.label]
    if not counted:
        return None
    from scipy.stats import binomtest  # half a second, which most runs do without

    right = sum(row.label == row.prediction for row in counted)
    bounds = binomtest(right, len(counted)).proportion_ci(COVERAGE, "exact")
    return Measured(
        accuracy=round(right / len(counted), 6),
        interval=(round(float(bounds.low), 6), round(float(bounds.high), 6)),
        rows=len(counted),
        of=len(of),
        over=how,
    )


def _lines(file: Path) -> list[dict[str, str]]:
    table = read_delimited(file, guarded=True)
    for name in ("id", "label"):
        if name not in table.column_names:
            raise UserError(f"{file} has no column {name!r}: it needs id and label")
    lines: list[dict[str, str]] = table.to_pylist()
    return lines


def labels_in(file: Path) -> dict[str, str]:
    """The labels of a returned file by id; lines without a label are still open. UserError: two labels for one id."""
    found: dict[str, str] = {}
    for line in _lines(file):
        key, label = line["id"], line["label"].strip()
        if label and found.setdefault(key, label) != label:
            raise UserError(f"{file} gives {key!r} two labels, {found[key]!r} and {label!r}")
    if not found:
        raise UserError(f"{file} holds no label yet: fill in its column `label`")
    return found


def store(home: Home, file: Path) -> list[Path]:
    """Keep the labels for every later run of this machine: the ``to_label.csv`` files that asked for them.

    The newest label of an id counts.
    """
    new = labels_in(file)
    labels = _kept(home) | new
    home.make()
    write_delimited(text_table(("id", "label"), sorted(labels.items())), _file(home))  # ingest reads it: no guard
    _file(home).chmod(0o600)
    asked = sorted((home.folder / "to_label").glob("*/to_label.csv"))
    return [one for one in asked if not new.keys().isdisjoint(line["id"] for line in _lines(one))]


def open_rows(home: Home) -> dict[Path, int]:
    """By ``to_label.csv``, how many of its rows have no label yet."""
    known = _kept(home).keys()
    asked = sorted((home.folder / "to_label").glob("*/to_label.csv"))
    return {file: sum(not line["label"].strip() and line["id"] not in known for line in _lines(file)) for file in asked}


def _file(home: Home) -> Path:
    return home.folder / "labels" / "labels.csv"


def _kept(home: Home) -> dict[str, str]:
    return labels_in(_file(home)) if _file(home).exists() else {}


def copy_labels(home: Home, folder: Path, windows: Iterable[paths.WindowName]) -> None:
    """Put the labels that came back into a clone, where the windows join them by id, and its record keeps them."""
    if not _file(home).exists():
        return
    target = folder / FOLDER / _file(home).name
    with replacing(target) as part:
        part.write_bytes(_file(home).read_bytes())
    git(folder, "add", "--force", "--", str(target))
    source: dict[str, str | None] = {"source": str(FOLDER), "id": "id", "label": "label"}
    set_windows(folder / paths.PARAMS, {window: {"labels": source} for window in windows})


def window_of(asked: Path) -> TimeRange | None:
    """The window that a ``to_label.csv`` is of."""
    since, _, until = asked.parent.name.partition("_")
    return TimeRange(as_utc(since), as_utc(until)) if until else None
