"""YAML that keeps its comments, quotes and number formats when it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")  # ruamel's default is an empty value


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(type(None), _null)
    return yaml


def parse(text: str) -> CommentedMap:
    """The document, an empty one as an empty mapping."""
    return _yaml().load(text) or CommentedMap()


def plain(text: str) -> Mapping[str, object]:
    """The document as plain Python values, as the stages read it."""
    return YAML(typ="safe").load(text) or {}


def dump(document: CommentedMap) -> str:
    """The document as text."""
    text = StringIO()
    _yaml().dump(document, text)
    return text.getvalue()


def rename(mapping: CommentedMap, old: str, new: str) -> None:
    """Rename a key in its place, its comments with it."""
    place, comment = list(mapping).index(old), mapping.ca.items.pop(old, None)
    mapping.insert(place, new, mapping.pop(old))
    if comment is not None:
        mapping.ca.items[new] = comment
