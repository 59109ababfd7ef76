"""The keys of a section as a table: read from its class, so that the page says what the code takes."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docsite.cells import cell
from docsite.descriptions import MISSING

NAMES: Mapping[object, str] = {
    str: "text", int: "whole number", float: "number", bool: "true, false", object: "any", Any: "any", Path: "path",
    datetime: "date or time, UTC", timedelta: "length of time", NoneType: "null", dict: "mapping", list: "list",
}  # fmt: skip
BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
LONG = 90  # characters of a default; of a longer one the number of its parts is shown
HEAD = ["| key | takes | default | |", "|---|---|---|---|"]


def table(model: type[BaseModel], without: tuple[str, ...] = ()) -> list[str]:
    """A row for each key, those of sections inside of it below."""
    return [*HEAD, *(row for name, field in _fields(model, without) for row in _rows(model, name, field, ""))]


def _fields(model: type[BaseModel], without: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldInfo]]:
    yield from ((name, field) for name, field in model.model_fields.items() if name not in without)


def _rows(model: type[BaseModel], name: str, field: FieldInfo, before: str) -> Iterator[str]:
    key = f"{before}{field.alias or name}"
    inside = next(_sections(field.annotation), None)
    takes = _takes(field.annotation, field.metadata)
    yield f"| `{key}` | {cell(takes)} | {cell(_default(field))} | {cell(described(model, name))} |"
    if inside:
        dots = "[]." if get_origin(field.annotation) is list else "."
        for inner, its_field in _fields(inside):
            yield from _rows(inside, inner, its_field, f"{key}{dots}")


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def described(model: type[BaseModel], name: str) -> str:
    """What the docstring under the field says; of a field without one, what ``descriptions.py`` does."""
    for cls in model.__mro__:
        if issubclass(cls, BaseModel) and name in cls.__annotations__:
            return docstrings(cls).get(name, MISSING.get((cls.__module__, cls.__name__, name), ""))
    return ""


def docstrings(cls: type[BaseModel]) -> dict[str, str]:
    """By field, the string that stands under it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _takes(annotation: Any, metadata: list[Any]) -> str:
    """The type in words, with its bounds."""
    said = " or ".join(dict.fromkeys(_words(annotation)))
    bounds = [f"{sign} {value}" for one in metadata for key, sign in BOUNDS.items() if (value := _of(one, key))]
    return ", ".join([said, *bounds])


def _of(constraint: Any, key: str) -> str:
    value = getattr(constraint, key, None)
    return "" if value is None else written(value)


def _words(annotation: Any) -> Iterator[str]:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in NAMES:
        yield NAMES[annotation]
    elif origin is Literal:
        yield ", ".join(f"`{one}`" for one in parts)
    elif origin is Annotated:
        yield _takes(parts[0], list(parts[1:]))
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _words(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "mapping"
    elif origin in (list, tuple, set):
        inside = " or ".join(word for part in parts if part is not Ellipsis for word in _words(part))
        yield "list" if inside == "text" else f"list of {inside}"
    else:
        yield "mapping"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*to be named*"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "below"
    shown = written(value)
    return f"`{shown}`" if len(shown) <= LONG else f"{len(value)} of them"


def written(value: Any) -> str:
    """A value as YAML has it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple, set)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)
