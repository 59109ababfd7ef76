"""How many everyday files are read: ``python -m tests.everyday [before|after]`` prints and writes ``RESULTS.md``.

Each run replaces its own column; the files of the list are the rows.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from tests.everyday.measure import OUTCOMES, Reading, measure
from tests.everyday.table import FILES

RESULTS = Path(__file__).with_name("RESULTS.md")
RECORDED = Path(__file__).with_name("results.json")
"""By column, then by file: the outcome and its detail."""
HEAD = """# Everyday files

{count} files and folders of the kinds that people have. The tool itself wrote {real} of them; {hand} were made by hand
after its documentation or the published data set (marked *). `python -m tests.everyday.make` makes them,
`python -m tests.everyday before|after` reads them; both columns use the same list. The source and `ingest.columns` are
given; a file is read when every row's text, label and time come out right and none is held.

"""
MEANING = {
    "at once": "nothing else is needed",
    "with init": "with what `driftline init` proposes",
    "one key": "with one more key of `ingest`, shown",
    "two keys": "with two more",
    "not at all": "refused",
    "wrong": "rows come out otherwise or are held",
}


def main(column: str) -> None:
    """Measure all files, record the column, write the page."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    readings = {file.name: measure(file) for file in FILES}
    for name, reading in readings.items():
        print(f"{reading.outcome:10}  {name:32}  {reading.detail[:160]}")
    recorded[column] = {name: [one.outcome, one.detail[:300]] for name, one in readings.items()}
    RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    RESULTS.write_text(page({name: {f: Reading(*r) for f, r in found.items()} for name, found in recorded.items()}))
    print(dict(Counter(one.outcome for one in readings.values())))


def page(columns: dict[str, dict[str, Reading]]) -> str:
    """The page in Markdown."""
    real = sum(file.real for file in FILES)
    lines = [HEAD.format(count=len(FILES), real=real, hand=len(FILES) - real)]
    lines += _table(["", *columns, "meaning"], _shares(columns)) + "\n"
    body = []
    for file in FILES:
        last = list(columns.values())[-1].get(file.name, Reading(""))
        said = last.detail if last.outcome != "at once" else ""
        row = [f"`{file.name}`{'' if file.real else ' *'}", file.made]
        body.append([*row, *(found.get(file.name, Reading("")).outcome for found in columns.values()), _cell(said)])
    lines += _table(["file", "made by", *columns, "what was needed or said"], body)
    return "".join(lines)


def _shares(columns: dict[str, dict[str, Reading]]) -> list[list[str]]:
    counts = [Counter(reading.outcome for reading in found.values()) for found in columns.values()]
    return [
        [outcome, *(f"{count[outcome]} ({count[outcome] / count.total():.0%})" for count in counts), MEANING[outcome]]
        for outcome in OUTCOMES
    ]


def _table(head: list[str], body: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *body])


def _cell(text: str) -> str:
    """Text that a table's cell can hold."""
    return text[:160].replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "after")
