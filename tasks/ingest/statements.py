"""What is said about files that were not read as plain UTF-8 and RFC 4180, and about texts that look wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tasks.ingest.decoding import Opening

CONTINUED = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"  # bytes 80 to BF, as latin-1 or cp1252 reads them
DECODED_TWICE = f"[ÂÃÐÑ]{CONTINUED}|â€"
"""UTF-8 that was read as one byte a character."""


def by_dialect(opening: Opening, files: Collection[str]) -> dict[str, list[str]]:
    """These files by how they were read, where that is not plain."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file, words in opening.notes.dialects.items():
        if file in files:
            found[words].append(file)
    return dict(sorted(found.items()))


def figures(opening: Opening, files: Collection[str]) -> dict[str, dict[str, int]]:
    """For the metrics: how many of these files were read in which way that is not plain; empty where none was."""
    found = {words: len(names) for words, names in by_dialect(opening, files).items()}
    return {"dialects": found} if found else {}


def decoded_twice(texts: pa.ChunkedArray) -> list[str]:
    """The texts that hold what UTF-8 looks like when it was decoded as cp1252 or latin-1, such as cafÃ©."""
    doubtful = texts.filter(pc.match_substring_regex(texts, DECODED_TWICE))
    return [text for text in map(str, doubtful) if _is_decoded_twice(text)]


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


def sentences(opening: Opening, rows: pa.Table) -> Iterator[str]:
    """A sentence on each dialect, on lines left out, on each pattern without a file, and on texts decoded twice."""
    for words, files in by_dialect(opening, opening.notes.dialects).items():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        yield f"{files[0]}{more}: {words}"
    yield from opening.notes.lines
    for pattern in opening.files:
        if pattern not in opening.notes.patterns:
            yield f"ingest.files: no csv, tsv or jsonl file of the source ends like {pattern!r}"
    texts = rows["text"] if "text" in rows.column_names else pa.chunked_array([], pa.string())
    if twice := decoded_twice(texts):
        first = _around(twice[0])
        yield f"texts that look as if decoded twice: {len(twice)}, such as {first!r}: save the source as UTF-8"


def _around(text: str) -> str:
    place = min(place for sign in ("Â", "Ã", "Ð", "Ñ", "â€") if (place := text.find(sign)) >= 0)
    return text[max(0, place - 20) : place + 20]
