"""A run's model, the last run's and the champion's in one table, with paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flows.champion import registry
from flows.champion.comparison import in_order_of
from flows.machine.home import Home
from flows.runs import record
from flows.runs.metrics import Evaluation
from flows.runs.old_params import seed_of
from flows.runs.workspace import cached
from tasks import gate
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.gate.tables import Table, pair
from tasks.gate.verdict import gate_verdict

METRICS = {"macro_f1": "macro-F1", "accuracy": "accuracy", "log_loss": "log loss"}
SCORED = layout.window("reference").scored
SECTION = gate.Params(max_calibration_error=None)


@dataclass(frozen=True)
class Model:
    """What a commit says of its model."""

    name: str
    evaluation: Evaluation
    scored: Path | None
    """Its predictions for rows it was not trained on; None where the cache no longer has them."""

    @classmethod
    def at(cls, home: Home, commit: str, name: str) -> Model | None:
        """None where the commit has no evaluated model."""
        found = Evaluation.at(home.origin, commit)
        if found is None:
            return None
        md5 = record.made(home.origin, commit, SCORED)
        return cls(name, found, cached(home, md5) if md5 else None)


def reference_models(home: Home, last: str | None, last_name: str) -> list[Model]:
    """The model of the run or commit before, and the champion's, of those that there are."""
    champion = registry.champion(home.origin)
    asked = [(last, last_name), (champion and champion.commit, f"champion, {champion and champion.name}")]
    found = [Model.at(home, commit, name) for commit, name in asked if commit]
    return [model for model in found if model]


def table(folder: Path, others: Sequence[Model]) -> list[dict[str, str]]:
    """What ``evaluate`` measured in ``folder``, a column for each model; no row where it did not run."""
    if not (folder / paths.metrics("evaluate")).exists():
        return []
    models = [Model("this run", Evaluation.in_folder(folder), folder / SCORED), *others]
    rows = {
        "test rows": [str(model.evaluation.rows) for model in models],
        **{words: [_figure(model.evaluation, key) for model in models] for key, words in METRICS.items()},
    }
    if others:
        rows["macro-F1 of this run less the other's, paired"] = ["", *(difference(folder, model) for model in others)]
    names = [model.name for model in models]
    return [{"": what, **dict(zip(names, cells, strict=True))} for what, cells in rows.items()]


def _figure(found: Evaluation, key: str) -> str:
    """With its 95 % interval."""
    value, interval = getattr(found, key), getattr(found.intervals, key)
    if value is None:
        return ""
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def difference(folder: Path, other: Model) -> str:
    """The paired difference in words, or why there is none: a table for people, whatever is wrong with it."""
    try:
        return str(paired(folder, other))
    except (UserError, pa.ArrowException) as why:
        return str(why)


@dataclass(frozen=True)
class Paired:
    """Macro-F1 of one model less another's, on the same rows, with its 95 % interval."""

    macro_f1: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.macro_f1:+.3f} [{self.interval[0]:+.3f}, {self.interval[1]:+.3f}]"


def paired(folder: Path, other: Model) -> Paired:
    """The gate's paired difference. UserError: the other has not predicted all of this run's test rows."""
    if not (other.scored and (folder / SCORED).exists()):
        raise UserError("its predictions are no longer in the cache")
    test = _table(folder / layout.split("test"), "label")
    theirs, ours = _table(other.scored, "prediction"), _table(folder / SCORED, "prediction")
    unseen = set(test["id"]) - set(theirs["id"])
    if unseen:
        raise UserError(f"not on the same rows: {len(unseen)} of {len(test['id'])} were not held out from it")
    rows = pair(in_order_of(theirs, test["id"]), in_order_of(ours, test["id"]), test, [])
    found = gate_verdict(rows, SECTION, seed_of(folder / paths.PARAMS))["difference"]
    return Paired(found["macro_f1"], tuple(found["interval"]))


def _table(file: Path, column: str) -> Table:
    return dict(read_table(file, ["id", column]).to_pydict())
