"""Where the seconds of a run went, by stage, for a terminal and as a page.

No output of DVC's: two runs of the same inputs would differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flows.plain_page import page as plain_page
from tasks.core.timings import KINDS

PAGE = "timings.html"


def table(stages: Mapping[str, Mapping[str, float]], clock: float) -> list[str]:
    """A line for each stage, in seconds; the rest of ``clock``, the whole run's, is DVC's own."""
    width = max(map(len, [*stages, "seconds"]))
    rows = {name: [one[kind] for kind in KINDS] for name, one in stages.items()}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines = ["  ".join([f"{'seconds':{width}}", *(f"{kind:>9}" for kind in (*KINDS, "together"))])]
    for name, row in rows.items():
        lines.append("  ".join([f"{name:{width}}", *(f"{value:9.1f}" for value in (*row, sum(row)))]))
    return [*lines, f"{clock:.1f} s on the clock; what is not above is DVC's"]


def page(lines: Sequence[str]) -> str:
    """The same lines as HTML."""
    return plain_page("seconds by stage", "Where the seconds went", lines)
