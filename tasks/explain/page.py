"""``reports/explained.html``: texts coloured by what each token added. One file; no text can become a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.explain.explained import Explained
from tasks.html.templates import environment
from tasks.redaction import redact, redactions

if TYPE_CHECKING:
    from tasks.explain.pictures import ExplainedImage

Span = tuple[int, int, str]
Coloured = tuple[str, str, float]
MAX_OPACITY = 0.6  # of the token with the largest attribution; text on more has too little contrast (4.5 : 1)
MIN_SHARE = 0.02  # of the largest attribution: below it a token has no colour


@dataclass(frozen=True)
class _Wrong:
    """A test row with a wrong prediction."""

    id: str
    place: str
    confidence: float
    answers: tuple[str, str]
    """Predicted, and labelled."""


@dataclass(frozen=True)
class Mistake(_Wrong):
    """A text with a wrong prediction, explained."""

    explained: Explained


@dataclass(frozen=True)
class ImageMistake(_Wrong):
    """An image with a wrong prediction, explained."""

    explained: ExplainedImage
    pictures: tuple[str | None, str]
    """The image, and where the answer was found, as sources of an ``img``."""


def coloured(pieces: Sequence[tuple[str, float]]) -> list[Coloured]:
    """The pieces with their tone (``for`` the prediction, ``against``, or none) and opacity from 0 to 1."""
    largest = max((abs(value) for _, value in pieces), default=0.0) or 1.0
    found = []
    for text, value in pieces:
        share = abs(value) / largest
        tone = "" if share < MIN_SHARE else "for" if value > 0 else "against"
        found.append((text, tone, round(share * MAX_OPACITY, 3) if tone else 0.0))
    return found


def shown(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The pieces redacted: an address or link of several tokens becomes one placeholder with their sum."""
    spans, at, last = redactions("".join(text for text, _ in pieces)), 0, None
    found: list[tuple[str, float]] = []
    for text, value in pieces:
        for begin, end, span in _cut(at, at + len(text), spans):
            if span is None:
                found.append((masked(text[begin - at : end - at]), value))
            elif span == last:
                found[-1] = (span[2], found[-1][1] + value)
            else:
                found.append((span[2], value))
            last, value = span, 0.0  # a piece adds once
        at += len(text)
    return found


def _shown_texts(explained: Explained) -> tuple[list[Coloured], list[Coloured]]:
    """The pieces of the text, and of the second one if there is one, coloured on one scale."""
    first = shown(explained.pieces)
    both = coloured([*first, *shown(explained.second or [])])
    return both[: len(first)], both[len(first) :]


def _cut(begin: int, end: int, spans: Sequence[Span]) -> Iterator[tuple[int, int, Span | None]]:
    """The range cut at the spans' ends, each part with the span that contains it."""
    edges = sorted({begin, end, *(edge for first, last, _ in spans for edge in (first, last) if begin < edge < end)})
    for a, b in pairwise(edges):
        yield a, b, next((span for span in spans if span[0] <= a < span[1]), None)


def masked(text: str) -> str:
    """Digits masked, unprintable characters as blanks; line ends stay."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in redact(text))


def page(
    mistakes: Sequence[Mistake],
    suspects: Sequence[dict[str, object]],
    rows: int | None,
    images: Sequence[ImageMistake] = (),
) -> str:
    """The whole page; ``rows`` None: of images, whose labels were not searched."""
    template = environment(Path(__file__).parent / "page").get_template("explained.html")
    return template.render(
        mistakes=[(each, *_shown_texts(each.explained)) for each in mistakes],
        suspects=suspects,
        rows=rows,
        images=images,
    )
