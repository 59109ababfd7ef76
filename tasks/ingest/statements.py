"""What is said about files that were not read as plain UTF-8 and RFC 4180."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from tasks.ingest.decoding import Opening


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


def sentences(opening: Opening) -> Iterator[str]:
    """A sentence on each dialect, on lines left out, and on each pattern without a file."""
    for words, files in by_dialect(opening, opening.notes.dialects).items():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        yield f"{files[0]}{more}: {words}"
    yield from opening.notes.lines
    for pattern in opening.files:
        if pattern not in opening.notes.patterns:
            yield f"ingest.files: no csv, tsv or jsonl file of the source ends like {pattern!r}"
