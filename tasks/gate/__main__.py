"""Compare two tables of predictions on the same rows and write the verdict; exit code 0 whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.core import params
from tasks.core.cli import run
from tasks.core.files import read_json, write_json
from tasks.gate import Params, Rule
from tasks.gate.command import gate
from tasks.gate.tables import pair, read_predictions
from tasks.gate.verdict import extra_columns, gate_verdict


def compare(
    champion: Path, challenger: Path, output: Path, truth: Path | None, rule: Rule | None, earlier: Sequence[Path]
) -> None:
    """Judge the tables in two files by the section ``gate``, write the verdict and print it."""
    section = params.load(Params, "gate")
    if rule:
        section = section.model_copy(update={"rule": rule})
    labels = read_predictions(truth) if truth else None
    rows = pair(read_predictions(champion), read_predictions(challenger), labels, extra_columns(section))
    verdict = gate_verdict(rows, section, params.general().seed, [read_json(file) for file in earlier])
    write_json(verdict, output)
    print(f"{verdict['outcome']}: {verdict['reason']}")


if __name__ == "__main__":
    run(gate)
