"""In which precision two models are compared: one for both, since bf16 gives a few rows another label than fp32.

Where the two commits' ``score.precision`` differs, that is fp32: every release, family and processor has it, and code
that scores in bf16 takes ``--precision``.
"""

from __future__ import annotations

from pathlib import Path

from flows.runs.old_params import precision_in
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.score import Precision


def of_code(clone: Path) -> Precision:
    """In which the clone's code scores rows."""
    return precision_in(clone / paths.PARAMS)


def of_scores(clone: Path, window: paths.WindowName = "reference") -> Precision:
    """In which the rows of a clone's window were scored, by the stage's metrics."""
    file = clone / paths.metrics("score", window)
    found: Precision = read_json(file).get("precision", "fp32") if file.exists() else "fp32"
    return found


def common(one: Precision, other: Precision) -> Precision:
    """Of two models that are compared."""
    return one if one == other else "fp32"


def refuse_mixed(clone: Path) -> None:
    """UserError where the clone's code would score a window otherwise than its reference was."""
    if (code := of_code(clone)) != (scores := of_scores(clone)):
        raise UserError(
            f"the champion's reference rows are scored in {scores}, but its params.yaml has score.precision: {code}: "
            "run `dvc repro`, commit, and promote that commit"
        )
