"""Which column of a table plays which part: proposed from names and values, with the evidence and the doubts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns
from tasks.ingest import time_formats
from tasks.ingest.times import missing

Role = Literal["text", "text_pair", "label", "timestamp", "id"]
NAMES: dict[Role, str] = {
    "text": "text body message content comment review sentence document description title tweet email mail "
    "question utterance sms v2 transcript abstract beschreibung nachricht meldung texte texto testo "
    "内容 文本 正文 评论",
    "label": "label labels class category target intent sentiment topic y v1 tag type rating polarity "
    "kategorie klasse thema rubrik categorie categoria classe 标签 类别 分类 评价",
    "timestamp": "timestamp time date datetime created_at created received_at received published day updated_at "
    "datum 时间 日期",
    "id": "id uuid guid key row_id message_id doc_id ticket_id ticket number nr 编号",
}
"""Names that columns of that part usually have, the more usual first."""
ROW_NUMBERS = {"", "index", "unnamed: 0", "rownames"}
"""Names of a column that only numbers the rows, which a later file counts anew."""
MIN_TIMES = 0.9
MAX_LABELS = 2_000
LONG_TEXT = 20
"""Characters: the mean beyond which a column is more likely text than a class."""


@dataclass(frozen=True)
class Column:
    """What a column's values look like."""

    name: str
    filled: int
    """Values that are not missing."""
    distinct: int
    length: float
    """Mean characters of a value."""
    words: float
    """Mean words of a value."""
    times: time_formats.Proposal | None
    """The time format that nine of ten values have; None: they are no times."""

    @property
    def repeats(self) -> bool:
        """Whether its values are classes: few, each on several rows."""
        return 2 <= self.distinct <= min(MAX_LABELS, self.filled / 2)

    @property
    def unique(self) -> bool:
        return self.filled > 1 and self.distinct == self.filled


@dataclass(frozen=True)
class Roles:
    """The columns' parts, and why."""

    columns: Columns
    evidence: tuple[str, ...]
    doubts: tuple[str, ...]
    unsettled: tuple[str, ...]
    """Doubts that only a person can settle: two columns are as likely, or day and month could be either."""
    time_formats: bool = False
    """Whether the last of them is about times, of which nothing can be read before it is settled."""


def propose(table: pa.Table, given: dict[Role, str | None]) -> Roles:
    """The part of each column; ``given`` are settled already, None for none.

    UserError: a given column is not there, or no column looks like text.
    """
    for role, name in given.items():
        if name and name not in table.column_names:
            raise UserError(
                f"--{role.replace('_', '-')}: no column {name!r}; there are {', '.join(map(repr, table.column_names))}"
            )
    found = [_look(name, table[name]) for name in table.column_names if not pa.types.is_nested(table[name].type)]
    chosen: dict[Role, str | None] = dict(given)
    evidence = [f"text_pair: {chosen['text_pair']}, as you said"] if chosen.get("text_pair") else []
    doubts: list[str] = []
    unsettled: list[str] = []
    for role in ("timestamp", "text", "label", "id"):
        rest = [column for column in found if column.name not in chosen.values()]
        if role in given:
            evidence.append(f"{role}: {given[role] or 'none'}, as you said")
            continue
        best = sorted(_candidates(role, rest), key=lambda column: _rank(role, column))
        chosen[role] = best[0].name if best else None
        evidence.append(f"{role}: {_why(role, best[0]) if best else 'no column looks like it'}")
        rivals = [column.name for column in best[1:] if _rank(role, column)[:2] == _rank(role, best[0])[:2]]
        if rivals and role in ("text", "label"):
            *some, last = (repr(name) for name in (best[0].name, *rivals[:3]))
            unsettled.append(f"the {role} may be {', '.join(some)} or {last}: --{role} settles it")
    if chosen["text"] is None:
        raise UserError(
            f"no column looks like text: name one with --text; there are {', '.join(map(repr, table.column_names))}"
        )
    if chosen["label"] is None:
        doubts.append("without a label column nothing can be trained: --label names one")
    orders = _doubts_of_times(chosen["timestamp"], found)
    return Roles(Columns(**chosen), tuple(evidence), tuple(doubts), (*unsettled, *orders), bool(orders))


def _look(name: str, values: pa.ChunkedArray) -> Column:
    text = (
        pc.cast(values, pa.string()) if not pa.types.is_binary(values.type) else pa.chunked_array([[""] * len(values)])
    )
    present = text.filter(pc.invert(missing(text)))
    distinct = pc.unique(present)
    spaces = pc.mean(pc.count_substring_regex(present, r"\s+")).as_py() if len(present) else None
    length = pc.mean(pc.utf8_length(present)).as_py() if len(present) else 0.0
    times = _times(values, distinct.to_pylist()) if len(present) else None
    return Column(name, len(present), len(distinct), length or 0.0, (spaces or 0.0) + 1, times)


def _times(values: pa.ChunkedArray, distinct: Sequence[str]) -> time_formats.Proposal | None:
    if pa.types.is_temporal(values.type):
        return time_formats.Proposal(time_formats.ISO, len(distinct), len(distinct))
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        numbers = pc.drop_null(values.cast(pa.float64()))
        units = {time_formats.epoch_unit(float(pc.min_max(numbers)[end].as_py())) for end in ("min", "max")}
        unit = units.pop() if len(units) == 1 else None
        return time_formats.Proposal(f"epoch_{unit}", len(distinct), len(distinct)) if unit else None
    proposal = time_formats.propose(distinct)
    return proposal if proposal.read >= MIN_TIMES * len(distinct) else None


def _candidates(role: Role, columns: Sequence[Column]) -> list[Column]:
    if role == "timestamp":
        return [column for column in columns if column.times]
    if role == "text":
        return [column for column in columns if column.filled and not column.times and column.length >= 2]
    if role == "label":
        return [column for column in columns if column.repeats and not column.times and column.length <= 60]
    return [
        column
        for column in columns
        if column.unique and column.words < 1.5 and column.name.lower() not in ROW_NUMBERS and _named("id", column.name)
    ]


def _rank(role: Role, column: Column) -> tuple[float, ...]:
    """The smaller, the more likely."""
    named = -_named(role, column.name)
    if role == "text":
        prose = column.words >= 3 or column.length >= LONG_TEXT
        return (not prose, named if prose else 0, -column.length)
    if role == "label":
        return (named, column.length >= LONG_TEXT, column.distinct)
    return (named, -column.distinct)


def _named(role: Role, name: str) -> int:
    """2: a usual name of the part; 1: holds one as a word; 0: neither."""
    usual, words = NAMES[role].split(), re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return 2 if name.lower() in usual else int(any(word in usual for word in words))


def _why(role: Role, column: Column) -> str:
    if role == "text":
        undivided = column.words < 3 and column.length >= LONG_TEXT  # of a script without spaces
        size = f"{column.length:.0f} characters" if undivided else f"{column.words:.0f} words"
        return f"{column.name!r}, {size} on average"
    if role == "label":
        return f"{column.name!r}, {column.distinct} classes in {column.filled} rows"
    if role == "timestamp":
        times = column.times
        assert times
        return f"{column.name!r}, {times.format}: {times.read} of {times.values} different values are times"
    return f"{column.name!r}, another value in each of {column.filled} rows"


def _doubts_of_times(name: str | None, columns: Sequence[Column]) -> list[str]:
    times = next((column.times for column in columns if column.name == name), None)
    if times and times.rival:
        return [f"{times.examples[0]!r} may be {times.format} or {times.rival}: --time-format settles it"]
    return []
