"""bench/RESULTS.md: one section for each measurement, replaced by the next one of its name."""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = (
    "# Results\n\nWhat was measured, on which machine, and how to measure it again. Written by the modules beside it.\n"
)


def write_section(heading: str, text: str, file: Path = RESULTS) -> None:
    """Put the section of that heading in its place, or at the end; the others stay as they are."""
    whole = file.read_text(encoding="utf-8") if file.exists() else TITLE
    section = f"## {heading}\n\n{text.strip()}\n"
    there = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.M | re.S)
    found = there.search(whole)
    whole = there.sub(lambda _: f"{section}\n", whole) if found else f"{whole.rstrip()}\n\n{section}"
    file.write_text(whole.rstrip() + "\n", encoding="utf-8")
