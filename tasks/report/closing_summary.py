"""Say the verdict again, of the results that are there: ``python -m tasks.report.closing_summary``."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.core.cli import run
from tasks.report import INDEX, inputs, verdict


def closing_lines(found: inputs.Inputs) -> Iterator[str]:
    """How good the model is, whether there is drift, and which page to open."""
    for finding in verdict.findings(found)[:2]:
        yield f"{finding.about + ':':<7}{finding.title}. {finding.text}"
    yield f"Open:  {INDEX}"


def say(found: inputs.Inputs) -> None:
    """Print the closing lines."""
    print("\n".join(closing_lines(found)))


def main() -> None:
    """Read the metrics and say what they come to; writes nothing."""
    say(inputs.read())


if __name__ == "__main__":
    run(main)
