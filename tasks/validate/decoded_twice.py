"""Texts that hold what UTF-8 looks like when it was read as one byte a character, such as cafÃ©."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.rows import text_of
from tasks.core.tables import batches
from tasks.redaction import excerpt

CONTINUED = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"  # bytes 80 to BF, as latin-1 or cp1252 reads them
DECODED_TWICE = f"[ÂÃÐÑ]{CONTINUED}|â€"
MAX_EXCERPT = 40


def decoded_twice(texts: pa.ChunkedArray) -> list[int]:
    """The positions of such texts."""
    found, start = [], 0
    for batch in batches(pa.table({"text": texts})):
        doubtful = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(batch["text"], DECODED_TWICE), False))
        found += [start + i for i in doubtful.to_pylist() if _is_decoded_twice(batch["text"][i].as_py())]
        start += len(batch)
    return found


def sentences(rows: pa.Table, found: list[int]) -> Iterator[str]:
    """One line with the count, the first text and where it stands; none where nothing was found."""
    if found:
        first = rows.slice(found[0], 1).to_pylist()[0]
        yield (
            f"texts that look as if decoded twice: {len(found)}, such as {_around(text_of(first) or '')!r} "
            f"({first['source_file']}, row {first['source_row']}): write the source again as UTF-8"
        )


def _is_decoded_twice(text: str) -> bool:
    """Whether most of what is not ASCII, turned back into bytes, is UTF-8."""
    found = [_was_utf8(run) for run in re.findall(r"[^\x00-\x7f]+", text)]
    return sum(found) * 2 > len(found)


def _was_utf8(run: str) -> bool:
    try:
        return len(b"".join(map(_byte, run)).decode()) < len(run)
    except UnicodeError:
        return False


def _byte(character: str) -> bytes:
    """As cp1252 writes it, or latin-1 what cp1252 has no sign for."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _around(text: str) -> str:
    """The word at the first such place, redacted."""
    place = re.search(DECODED_TWICE, text)
    start = text.rfind(" ", 0, place.start()) + 1 if place else 0
    return excerpt(text[start:].split(" ", 1)[0], MAX_EXCERPT)
