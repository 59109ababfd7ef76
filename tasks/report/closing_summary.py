"""The few lines that a run ends with."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.report import INDEX, inputs, verdict


def closing_lines(found: inputs.Inputs) -> Iterator[str]:
    """How good the model is, whether there is drift, and which page to open."""
    for finding in verdict.findings(found)[:2]:
        yield f"{finding.about + ':':<7}{finding.title}. {finding.text}"
    yield f"Open:  {INDEX}"
