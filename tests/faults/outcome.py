"""What came of an attempt, and whether that is as it should be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.faults.forked import Ended

Verdict = Literal[
    "refused", "same", "another input", "named", "wrong", "silent", "traceback", "unnamed", "crash", "hung"
]
GOOD = ("refused", "same", "another input")
REMEDY = re.compile(
    r"`(dvc|git|driftline|ulimit|chmod)|run again|set |remove|rename|restore|give |add |widen|install|pull|"
    r"land |write |must|fetch |name another|correct |put |save |use one of|; the (keys|labels|stages) are|see "
)


@dataclass(frozen=True)
class Attempt:
    """One fault, what it was done to, and what came of it."""

    group: str
    what: str
    how: str
    stage: str
    verdict: Verdict
    detail: str
    seconds: float


def judge(ended: Ended, changed: Iterable[str], named: Iterable[str], *, input_of_git: bool = False) -> Verdict:
    """``changed``: outputs unlike an undisturbed run's; ``named``: one of these has to stand in the sentence."""
    if "Traceback (most recent call last)" in ended.said:
        return "traceback"
    if ended.code < 0:
        return "crash"
    if ended.code == 0:
        if not list(changed):
            return "same"
        return "another input" if input_of_git else "silent"
    lines = [line for line in ended.said.splitlines() if line.startswith("error: ")]
    if not lines:
        return "unnamed"
    said = ended.said[ended.said.index(lines[0]) :]
    return "refused" if any(name in said for name in named) and REMEDY.search(said) else "unnamed"


def last_line(ended: Ended) -> str:
    """The end of what a stage said."""
    lines = [line for line in ended.said.strip().splitlines() if line.strip()]
    return " ".join(lines[-1:])[:400]


def names(path: str) -> list[str]:
    """What may stand for a file in a sentence: itself, or the folder that it is in."""
    folder = str(Path(path).parent)
    return [path] if folder in (".", "data", "metrics", "reports") else [path, folder]
