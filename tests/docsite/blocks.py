"""The blocks of code in the pages that people read: README.md, CONTRIBUTING.md, SECURITY.md and docs/."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
GENERATED = TOP / "docs" / "reference"
PAGES = sorted(
    [TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "SECURITY.md", *(TOP / "docs").glob("**/*.md")],
    key=lambda page: page.as_posix(),
)
BLOCK = re.compile(
    r"(?:^ *<!-- run: (?P<mark>[\w ]+) -->\n\n?)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block; ``mark`` names what runs it in ``test_blocks.py``, None: it is only parsed."""

    page: Path
    line: int
    language: str
    text: str
    mark: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}:{self.line}"


def blocks() -> Iterator[Block]:
    """All of them."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start("text")) + 1
            yield Block(page, line, found["language"], textwrap.dedent(found["text"]), found["mark"])


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a block for the shell: comments, variables before it and what follows | are gone."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for part in _parts(words):
            while part and re.fullmatch(r"\w+=.*", part[0]):
                part = part[1:]
            if part:
                yield part


def _parts(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in {"&&", "||", "|", ";", ">", ">>", "<", "{", "}"}:
            yield part
            part = [] if word not in {">", ">>", "<"} else ["#"]
        else:
            part.append(word)
    yield part
