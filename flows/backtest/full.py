"""Models trained for real: the pipeline in a clone for each, its windows moved to where the schedule had them.

What a clone makes lies in the shared DVC cache, so that a backtest that was stopped restores it, and a training that
was stopped goes on from its checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from flows.backtest.history import History, prepare, reproduce
from flows.backtest.replay import Training, WindowResult
from flows.champion import comparison
from flows.champion.verdict import Judged
from flows.machine.git import git
from flows.machine.home import Home
from flows.parameters import Labels, WindowSetting
from flows.runs import workspace
from flows.runs.metrics import DriftVerdict
from flows.windows.ranges import TimeRange, as_text, reference_start
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.tables import read_table, write_table
from tasks.dataset import layout
from tasks.dataset.schema import RAW
from tasks.gate import Rule

MODEL = "evaluate"  # what a training ends with: the gate asks what it found
KEPT_COLUMNS = ("id", "text", "text_pair", "timestamp")
ONE_DAY = timedelta(days=1)
UNLABELLED_FOLDER = Path("data/backtest")  # in a clone: windows without their labels


@dataclass
class Pipelines:
    """As replay.Models."""

    home: Home
    commit: str
    history: History
    folder: Path
    labels: Labels
    rule: Rule
    clones: dict[datetime, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.history.rows
        self.truth = dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))

    def train(self, until: datetime) -> Training:
        """In a clone of its own, up to what its held-out rows say of it."""
        place = self.folder / f"{until:%Y%m%dT%H%M%S}"
        folder = workspace.clone(self.home, self.commit, place, workspace.shared_cache(self.home))
        reference = {"from": as_text(reference_start(self.history.windows.reference, until)), "until": as_text(until)}
        following = {"from": as_text(until), "until": as_text(until + ONE_DAY)}
        prepare(self.home, folder, {"reference": reference, "current": following})
        results = reproduce(folder, [MODEL])
        self.clones[until] = folder
        rows = read_json(folder / paths.metrics("split"))["rows"]["train"]
        return Training(rows, round(sum(result.seconds for result in results), 3))

    def _clone_of(self, until: datetime) -> Path:
        if until not in self.clones:
            self.train(until)
        return self.clones[until]

    def evaluate(self, until: datetime, window: TimeRange) -> WindowResult:
        """The current branch on the window in the model's clone; where labels are ``late`` it does not see them."""
        folder = self._clone_of(until)
        current: dict[str, WindowSetting] = {"from": as_text(window.since), "until": as_text(window.until)}
        if not len(self.history.within(window)):
            return WindowResult(0, "", None, {"drifted": None, "reason": "no rows"})
        if self.labels == "late":
            current |= self._unlabelled(folder, window)
        prepare(self.home, folder, {"current": current})
        reproduce(folder, ["drift"])
        return self._result(folder)

    def _unlabelled(self, folder: Path, window: TimeRange) -> dict[str, WindowSetting]:
        """The window's rows without their labels as a source of its own in a clone: what ``windows.current`` says."""
        file = UNLABELLED_FOLDER / f"{window.since:%Y%m%dT%H%M%S}-{window.until:%Y%m%dT%H%M%S}.parquet"
        rows = self.history.rows.take(pa.array(self.history.within(window)))
        dropped = [name for name in rows.column_names if name in RAW.names and name not in KEPT_COLUMNS]
        write_table(rows.drop_columns(dropped), folder / file)
        git(folder, "add", "--force", "--", str(file))  # a source is a tracked file
        kept = {name: name for name in KEPT_COLUMNS if name in rows.column_names}
        return {"source": str(file), "columns": kept | {"label": None}}

    def _result(self, folder: Path) -> WindowResult:
        current = layout.window("current")
        truth = [self.truth.get(key) for key in read_table(folder / current.validated, ["id"])["id"].to_pylist()]
        predictions = read_table(folder / current.scored, ["prediction"])["prediction"].to_pylist()
        known = [(label, answer) for label, answer in zip(truth, predictions, strict=True) if label is not None]
        labels, answers = [label for label, _ in known], [answer for _, answer in known]
        return WindowResult.of(len(truth), labels, answers, DriftVerdict.in_folder(folder))

    def gate(self, champion: datetime, challenger: datetime) -> tuple[bool, str]:
        """As promotion judges: both answer the challenger's test rows; one that cannot be judged is not promoted."""
        champion_clone, challenger_clone = self._clone_of(champion), self._clone_of(challenger)
        try:
            verdict = comparison.compare(
                champion_clone, challenger_clone, self.rule, Judged(champion=str(champion), challenger=str(challenger))
            )
        except UserError as refusal:
            return False, f"it could not be judged: {refusal}"
        return verdict.promote, verdict.reason
