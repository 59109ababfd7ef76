"""Labels and ids as single names, whatever a column holds: nothing is null, and what is no one name is held."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.dataset.labels import MULTI, SINGLE, LabelFormat

NOT_A_NAME = r"^([\[{]|NaN$|-?Infinity$)"
"""How JSON begins that is no name: a list, an object, a number that is none."""
NONE = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class Names:
    """The names of a column, null where there is none."""

    values: pa.ChunkedArray
    several: frozenset[int] = frozenset()
    """Positions of lists of more than one name."""
    others: frozenset[int] = frozenset()
    """Positions of objects, and of lists that hold some."""


def read_names(found: pa.ChunkedArray, not_strings: frozenset[int], where: str) -> Names:
    """The names of a column; a list of one name is that name.

    ``not_strings`` are the positions of values that are the JSON of something else than a string. UserError, which
    begins with ``where``: the whole column is of a type that holds no names.
    """
    if pa.types.is_floating(found.type):
        return Names(_of_floats(found))
    if _is_list(found.type):
        return _decided(found, range(len(found)), lambda place: found[place].as_py())
    values = _as_strings(found, where)
    odd = _odd(values, not_strings) if not_strings else []
    values = pc.if_else(pc.equal(values, ""), NONE, values)
    return _decided(values, odd, lambda place: _decode(values[place].as_py())) if odd else Names(values)


@dataclass(frozen=True)
class LabelSyntax:
    """How a source writes labels."""

    cells: LabelFormat = SINGLE
    """How they are written from here on."""
    separator: str | None = None
    """Between the labels of a text; None: the source has lists."""

    def read(self, found: pa.ChunkedArray, not_strings: frozenset[int], where: str) -> Names:
        """The labels of a column: of one label each, or the cells of any number of them."""
        if not self.cells.several:
            return read_names(found, not_strings, where)
        return _label_sets(found, self.separator, where)


ONE_LABEL = LabelSyntax()


def _label_sets(found: pa.ChunkedArray, separator: str | None, where: str) -> Names:
    """The cells of a column of lists, of JSON lists as text, or of texts with a separator.

    Null and an empty text say that a row is not labelled, an empty list that it has no label.
    """
    cells: list[str | None] = []
    others = set()
    for place, value in enumerate(found.to_pylist()):
        labels = _labels_of(value, separator, where)
        if labels is None and value not in (None, ""):
            others.add(place)
        cells.append(None if labels is None else MULTI.cell(labels))
    return Names(pa.chunked_array([pa.array(cells, pa.string())]), others=frozenset(others))


def _labels_of(value: Any, separator: str | None, where: str) -> list[str] | None:
    """The labels of one value; None where it has none, or is something else."""
    if isinstance(value, str) and (decoded := _json_list(value)) is not None:
        value = decoded
    if isinstance(value, list):
        return _members(value)
    if value in (None, ""):
        return None
    if isinstance(value, str) and separator is None:
        raise UserError(f"{where} is text, not lists of labels: set ingest.label_separator")
    if not isinstance(value, str):
        raise UserError(f"{where} holds {value!r}, where task: multi_label needs a list of labels, or text")
    return list(dict.fromkeys(part for one in value.split(separator) if (part := one.strip())))


def _json_list(text: str) -> list[Any] | None:
    if not text.startswith("["):
        return None
    try:
        decoded = _decode(text)
    except ValueError:
        return None
    return decoded if isinstance(decoded, list) else None


def _of_floats(found: pa.ChunkedArray) -> pa.ChunkedArray:
    """1.0 is written 1, as a column of integers writes it; what is no number is none."""
    finite = pc.if_else(pc.is_finite(found), found, pa.scalar(None, found.type))
    return pc.if_else(pc.equal(finite, 0), pa.scalar(0, found.type), finite).cast(pa.string())  # -0.0


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _as_strings(found: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    try:
        return found.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UserError(f"{where} is {found.type}, which is no label or id") from None


def _odd(values: pa.ChunkedArray, not_strings: frozenset[int]) -> list[int]:
    places = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(values, NOT_A_NAME), False)).to_pylist()
    return [place for place in places if place in not_strings]


def _decided(values: pa.ChunkedArray, odd: Any, value: Callable[[int], Any]) -> Names:
    """The column with one name, or none, in each odd place."""
    names: list[str | None] = values.to_pylist() if pa.types.is_string(values.type) else [None] * len(values)
    several, others = set(), set()
    for place in odd:
        held = _members(value(place))
        names[place] = held[0] if held is not None and len(held) == 1 else None
        if held is None:
            others.add(place)
        elif len(held) > 1:
            several.add(place)
    return Names(pa.chunked_array([pa.array(names, pa.string())]), frozenset(several), frozenset(others))


def _members(value: Any) -> list[str] | None:
    """The different names that a value holds; None where it holds something else."""
    members = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list | tuple | bytes) for one in members):
        return None
    return list(dict.fromkeys(name for one in members if (name := _name(one))))


def _name(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return (
            str(int(value))
            if value.is_integer()
            else None
            if value != value or abs(value) == float("inf")
            else str(value)
        )
    return None if value is None else str(value)


def _decode(text: str) -> Any:
    """JSON, its numbers as they are written and those that are none as nothing."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda _: None)
