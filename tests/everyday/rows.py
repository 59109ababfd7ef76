"""The rows that most of the everyday files hold: what a help desk gets in March 2026, times in UTC."""

from __future__ import annotations

Row = tuple[str, str, str | None]
"""Text, label, time in ISO 8601 or None where the file has none."""

ROWS: list[Row] = [
    ("The invoice shows 20 €, but I paid 12 €; please check.", "billing", "2026-03-02T09:15:00"),
    ('The app says "no connection" and closes.', "bug", "2026-03-03T18:40:30"),
    ("Great service,\nthank you!", "praise", "2026-03-05T07:05:00"),
    ("Où est ma facture? C'est la troisième fois.", "billing", "2026-03-08T22:59:59"),
    (r"Crash in C:\new\temp after the update", "bug", "2026-03-11T12:00:00"),
    ("Love it 👍", "praise", "2026-03-13T13:13:13"),
    ("N/A", "bug", "2026-03-14T00:00:01"),
    ("Überweisung doppelt | bitte prüfen", "billing", "2026-03-17T16:20:00"),
    ("007 is my customer number", "billing", "2026-03-20T10:10:10"),
    ("-5 stars if I could", "bug", "2026-03-24T08:30:00"),
    ("It's fine, mostly", "praise", "2026-03-29T01:30:00"),
    ("Works on Mac & Windows <3", "praise", "2026-03-31T23:59:59"),
]
ONE_LINE: list[Row] = [(text.replace("\n", " "), label, time) for text, label, time in ROWS]
"""For formats that quote no line break."""
PLAIN: list[Row] = [(text.replace(" 👍", ""), label, time) for text, label, time in ONE_LINE]
"""For encodings that have no emoji either."""
NUMBER = {"billing": "0", "bug": "1", "praise": "2"}


def undated(rows: list[Row]) -> list[Row]:
    """The rows of a file that holds no times."""
    return [(text, label, None) for text, label, _ in rows]


def numbered(rows: list[Row]) -> list[Row]:
    """The rows with classes that are numbers."""
    return [(text, NUMBER[label], time) for text, label, time in rows]
