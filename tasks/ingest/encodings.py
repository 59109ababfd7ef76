"""Which encoding a file that is not UTF-8 may have: proposed in a refusal, never taken unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import charset_normalizer

from tasks.ingest.decoding import MARKS, Opening
from tasks.ingest.parts import Part
from tasks.ingest.streams import open_unpacked
from tasks.ingest.unsettled import Unsettled

LIKELY = (  # in order of how common they are; what ties is named in this order
    "cp1252", "cp1251", "gb18030", "shift_jis", "euc_kr", "big5", "cp1250", "koi8_r", "cp1253", "cp1254",
    "euc_jp", "cp1255", "cp1256",
)  # fmt: skip
SHOWN = {"cp949": "euc_kr", "cp932": "shift_jis"}  # as charset-normalizer names them
MAX_SAMPLE = 1 << 16
MIN_BAD_LINES = 2  # one is a fault of that line
P = ParamSpec("P")


@dataclass(frozen=True)
class Guess:
    """An encoding that the bytes may be text in."""

    encoding: str
    confidence: float
    """1 - charset-normalizer's measure of mess, divided by how many encodings fit as well."""
    value: str
    """A line, decoded."""


def guesses(lines: list[bytes]) -> list[Guess]:
    """Encodings that lines with bytes beyond ASCII may be in, the likeliest first; none where no one fits."""
    sample = b"\n".join(lines)[:MAX_SAMPLE]
    found = charset_normalizer.from_bytes(sample, cp_isolation=[*LIKELY, *SHOWN], enable_fallback=False)
    scores: dict[str, tuple[float, float]] = {}
    for match in found:
        for name in (match.encoding, *match.could_be_from_charset):
            name = SHOWN.get(name, name)
            if name in LIKELY:
                scores.setdefault(name, (round(match.chaos, 1), -round(match.coherence, 1)))
    ranked = sorted(scores, key=lambda name: (scores[name], LIKELY.index(name)))
    ties = sum(scores[name] == scores[ranked[0]] for name in ranked) if ranked else 0
    return [
        Guess(name, round((1 - scores[name][0]) / ties, 2), lines[0].decode(name, "replace").strip()) for name in ranked
    ]


def checks_encoding(read: Callable[P, Iterator[Part]]) -> Callable[P, Iterator[Part]]:
    """A reader of text files that refuses one which is not UTF-8 throughout, where nothing says what it is.

    A file of which most is UTF-8, or one line of which is not, is read: that line is no text, which is said.
    """

    @wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> Iterator[Part]:
        path, opening = args[:2]
        assert isinstance(path, Path) and isinstance(opening, Opening)
        bad = 0
        for part in read(*args, **kwargs):
            bad += len(frozenset().union(*part.undecodable.values()))
            yield part
        if bad:
            refuse_another_encoding(path, opening)

    return reading


def refuse_another_encoding(path: Path, opening: Opening, least: int = MIN_BAD_LINES) -> None:
    """UserError with what is proposed, if more lines of the file are not UTF-8 than are UTF-8 beyond ASCII.

    Of a file with fewer such lines, which are quarantined, the same is noted.
    """
    if opening.declares(path):
        return
    bad, good, first = _lines_beyond_ascii(path, opening)
    found = guesses(bad)[:3] if bad else []
    if not found:  # no text at all
        return
    best, *others = found
    also = f" (or {', '.join(f'{one.encoding}: {_cut(one.value)}' for one in others)})" if others else ""
    proposed = f"it may be {best.encoding}, confidence {best.confidence:.2f}: {_cut(best.value)}{also}"
    own = f"`files: {{{path.name}: {{encoding: {best.encoding}}}}}`"
    if len(bad) >= least and len(bad) > good:
        raise Unsettled(
            f"{path} is not UTF-8, first in line {first}; {proposed}: set `encoding: {best.encoding}` under ingest, or "
            f"for this file {own}; `utf-8` quarantines what is not",
            encoding=best.encoding,
        )
    settle = "save it as UTF-8, since other lines are" if good else f"set {own} under ingest"
    opening.notes.lines.append(
        f"{path}: {len(bad)} lines are not UTF-8 and are quarantined, first line {first}; {proposed}: {settle}"
    )


def _lines_beyond_ascii(path: Path, opening: Opening) -> tuple[list[bytes], int, int]:
    """Lines that are not UTF-8 (the first ones of many), how many are and not ASCII, and the first bad one's number."""
    bad: list[bytes] = []
    good = first = size = 0
    with open_unpacked(path, replace(opening.budget, spent=0)) as file:
        if any(file.peek(4).startswith(mark) for mark in MARKS):
            return [], 0, 0
        for number, line in enumerate(file, 1):
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                first = first or number
                size += len(line)
                bad += [line] if size < MAX_SAMPLE or not bad else [b""]
    return bad, good, first


def _cut(value: str, most: int = 60) -> str:
    return repr(value if len(value) <= most else value[:most] + "…")
