"""Personal data in texts: mail addresses, phone, card and bank account numbers, network addresses.

``recognisers.py`` finds each kind in a piece of a text.

Not covered: names and postal addresses. They need a model of the language; spaCy's are on no package index but as
copies by third parties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.tables import batches
from tasks.validate.recognisers import recognisers

COMMA = ", "
SEGMENT, OVERLAP = 4_000, 300  # characters searched at once, and beyond: some patterns take quadratic time


@dataclass(frozen=True, order=True)
class Span:
    """Characters [start, end) of a text and what they are: mail, phone, card, iban or ip."""

    start: int
    end: int
    kind: str


def find_personal_data(texts: pa.ChunkedArray, regions: Sequence[str]) -> dict[int, list[Span]]:
    """By position, the personal data of each text that holds any, in order and without overlaps."""
    found: dict[int, list[Span]] = {}
    start = 0
    for batch in batches(pa.table({"text": texts})):
        of_batch = _find_in_batch(batch["text"], tuple(regions))
        found |= {start + place: merge_overlaps(of_batch[place]) for place in sorted(of_batch)}
        start += len(batch)
    return found


def _find_in_batch(texts: pa.ChunkedArray, regions: tuple[str, ...]) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = {}
    for kind, may_hold in _CONDITIONS.items():
        places = pc.indices_nonzero(pc.fill_null(may_hold(texts), False))
        for place, text in zip(places.to_pylist(), texts.take(places).to_pylist(), strict=True):
            if spans := list(_spans(text, kind, regions)):
                found.setdefault(place, []).extend(spans)
    return found


def mask(text: str, spans: Sequence[Span]) -> str:
    """The text with a placeholder such as [mail] in place of each span."""
    parts, last = [], 0
    for span in spans:
        parts += [text[last : span.start], f"[{span.kind}]"]
        last = span.end
    return "".join([*parts, text[last:]])


def masked(texts: pa.ChunkedArray, found: Mapping[int, Sequence[Span]]) -> pa.ChunkedArray:
    """The texts, those at the positions found masked."""
    if not found:
        return texts
    changed = texts.take(pa.array(list(found), pa.int64())).to_pylist()
    replacements = pa.array(
        [mask(text, spans) for text, spans in zip(changed, found.values(), strict=True)], pa.string()
    )
    changes = pa.array([False] * len(texts)).to_numpy(zero_copy_only=False).copy()
    changes[list(found)] = True
    return pa.chunked_array([pc.replace_with_mask(texts.combine_chunks(), pa.array(changes), replacements)])


def kinds(found: Iterable[Mapping[int, Sequence[Span]]]) -> dict[int, str]:
    """By position, the kinds that a text, or either of two, holds, such as "mail, phone"."""
    held: dict[int, set[str]] = {}
    for spans_by_place in found:
        for place, spans in spans_by_place.items():
            held.setdefault(place, set()).update(span.kind for span in spans)
    return {place: COMMA.join(sorted(held[place])) for place in sorted(held)}


def _digits(least: int) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    return lambda texts: pc.greater_equal(pc.count_substring_regex(texts, r"\p{Nd}"), least)


def _network(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    dots, colons = (pc.count_substring(texts, sign) for sign in (".", ":"))
    return pc.or_(pc.and_(pc.greater_equal(dots, 3), _digits(4)(texts)), pc.greater_equal(colons, 2))


# A text that does not meet the condition of a kind holds none of it.
_CONDITIONS: dict[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    "mail": lambda texts: pc.match_substring(texts, "@"),
    "card": _digits(13),
    "iban": _digits(2),
    "ip": _network,
    "phone": _digits(4),
}


def _spans(text: str, kind: str, regions: tuple[str, ...]) -> Iterator[Span]:
    recogniser = recognisers(regions)[kind]
    for begin in range(0, max(1, len(text)), SEGMENT):
        for start, end in recogniser(text[begin : begin + SEGMENT + OVERLAP]):
            yield Span(begin + start, begin + end, kind)


def merge_overlaps(spans: list[Span]) -> list[Span]:
    """Spans that overlap as one, named after the longest; of spans as long, after the one found first."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if joined and span.start < joined[-1].end:
            before = joined.pop()
            kind = before.kind if before.end - before.start >= span.end - span.start else span.kind
            span = Span(before.start, max(before.end, span.end), kind)
        joined.append(span)
    return joined
