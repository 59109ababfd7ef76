"""Merges ``dvc.yaml`` by its structure: the release's text, with the team's own stages and edits laid over it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap

from flows.upgrade import documents

_ABSENT = object()


def merge(base: str, own: str, release: str, deps: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    """The merged text, and what both sides changed: there the release's value stands, and a line names the place.

    ``deps`` says what stands for a path of the base in the release's deps; own stages follow it.
    """
    before, mine, result = (documents.parse(text) for text in (base, own, release))
    for document in (before, mine):
        _follow(document, deps)
    conflicts = list(_lay_over(before, mine, result, ""))
    _comments(own, mine, result, before)
    return documents.dump(result), conflicts


def watch(text: str, key: str, stages: Sequence[str]) -> str:
    """``dvc.yaml`` in which the folder that this key of ``params.yaml`` names is a dep of the stages."""
    document, dep = documents.parse(text), f"${{{key}}}"
    for stage in stages:
        deps = document["stages"][stage]["deps"]
        if dep not in deps:
            deps.append(dep)
    return documents.dump(document)


def _follow(value: Any, deps: Mapping[str, Sequence[str]]) -> None:
    """Write moved paths anew in every list of deps, once each."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == "deps" and isinstance(part, list):
                part[:] = dict.fromkeys(new for dep in part for new in deps.get(dep, [dep]))
            _follow(part, deps)


def _lay_over(before: Any, mine: Any, result: Any, at: str) -> Iterator[str]:
    """Apply what changed from ``before`` to ``mine`` to ``result``, in place; gives the places both changed."""
    for key in dict.fromkeys([*mine, *before]):
        old, new, there = (part.get(key, _ABSENT) for part in (before, mine, result))
        if new in (old, there):
            continue
        if there == old or (old is _ABSENT and there is _ABSENT):
            _put(result, key, new)
        elif isinstance(new, dict) and isinstance(there, dict):
            yield from _lay_over(old if isinstance(old, dict) else {}, new, there, f"{at}{key}.")
        elif isinstance(new, list) and isinstance(there, list):
            _join(old if isinstance(old, list) else [], new, there)
        elif new is _ABSENT:
            yield f"{at}{key}: you removed it, the release changed it; the release's stands"
        elif there is _ABSENT:
            yield f"{at}{key}: you changed it, the release has no such entry; yours is left out: {new}"
        else:
            yield f"{at}{key}: you and the release changed it; the release's stands, yours was {new}"


def _put(result: Any, key: str, value: Any) -> None:
    if value is _ABSENT:
        del result[key]
    else:
        result[key] = value


def _join(old: list[Any], new: list[Any], there: list[Any]) -> None:
    """Items added here are added there, items taken out here are taken out there."""
    for item in [item for item in there if item in old and item not in new]:
        there.remove(item)
    there += [item for item in new if item not in old and item not in there]


def _comments(text: str, mine: CommentedMap, result: CommentedMap, before: CommentedMap) -> None:
    """The comment above an own stage, which the parser files under the stage before it."""
    for name in mine.get("stages", {}):
        if name in before.get("stages", {}):
            continue
        above = re.search(rf"((?:^ +#.*\n)+)^ +{re.escape(name)}:", text, re.M)
        if above:
            words = "\n".join(line.strip().removeprefix("#").strip() for line in above[1].splitlines())
            result["stages"].yaml_set_comment_before_after_key(name, before=words, indent=2)
