"""Where trials are trained: a clone at one commit, whose checkpoints outlive it.

The clone is made anew at each start. Its ``.checkpoints`` lies beside it, so that a trial that was interrupted goes on,
and its ``activations`` are those of every other run of this repository: what the frozen layers give is computed once.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flows.errors import StageFailed
from flows.machine import locks
from flows.machine.git import git, succeeds
from flows.machine.home import Home
from flows.pipeline import dvc_locks, guard
from flows.pipeline.graph import Dag
from flows.runs import record, workspace
from flows.search.scores import Predictions, predictions
from flows.search.space import Measure, Space, Values, nested
from tasks.core import paths
from tasks.core.files import private_folder, write_json
from tasks.modelling.training.checkpoint_store import ACTIVATIONS, LOCK
from tasks.preset import change

STAGE = "finetune"
SUMMARY = paths.METRICS / "summary.json"
"""What `dvc exp show` has as columns."""
KEPT_LINES = 5  # of a failed trial's output
POLL_SECONDS = 0.2
Evaluations = Sequence[float]


def predictions_file(folder: Path, name: str) -> Path:
    """Where a study has what one trial said of the validation rows."""
    return folder / "predictions" / f"{name}.npz"


@dataclass(frozen=True)
class Place:
    """One study's folder, and the clone in it, which is the current folder."""

    home: Home
    folder: Path
    commit: str
    clone: Path

    @property
    def log(self) -> Path:
        """What the trainings print."""
        return self.folder / "trials.log"

    def name(self, number: int) -> str:
        """Of a trial and its experiment; 0 is the pipeline as it stands."""
        return f"search-{self.folder.name}-{number}"

    def train(self, name: str, space: Space, values: Values, unpromising: Callable[[Evaluations], bool]) -> bool:
        """Train with these values; False where ``unpromising``, asked after each evaluation, ended it.

        What an earlier search trained under this name is taken as it is. StageFailed: with the last lines. On Ctrl-C
        the training saves a checkpoint, and the exception goes on.
        """
        if self._restored(name):
            workspace.materialise(self.clone)
        else:
            self._restored(self.name(0))
        change(paths.PARAMS, nested(values))
        with self.log.open("ab") as out:
            ended = _watched(out, lambda: unpromising(self._evaluations(space.curve)))
        if ended:
            self.forget_checkpoints()
        else:
            self._push(name)  # before it is scored: a kill then loses no training
        return not ended

    def _restored(self, name: str) -> bool:
        """Take the files that git tracks from an experiment; False where it is not there."""
        ref = record.experiment_ref(self.commit, name)
        if not succeeds(self.home.origin, "rev-parse", "--verify", "--quiet", ref):
            return False
        git(self.clone, "fetch", "--quiet", "origin", ref)
        git(self.clone, "restore", "--source=FETCH_HEAD", "--worktree", ".")
        return True

    def _push(self, name: str) -> None:
        saved = record.commit_work(self.clone, f"search: {name}")
        git(self.clone, "push", "--quiet", "origin", f"+{saved}:{record.experiment_ref(self.commit, name)}")

    def score(self, name: str) -> Predictions:
        """What ``models/classifier`` says of the validation rows, kept under the trial's name."""
        found = predictions()
        found.write(predictions_file(self.folder, name))
        return found

    def save(self, name: str, measures: dict[Measure, float]) -> None:
        """Make the trained trial an experiment of DVC's in the repository, with its scores for `dvc exp show`.

        Figures of the stages after the training were another model's: they are left out.
        """
        dag = Dag()
        _, *later = dag.after(STAGE)
        for file in (file for stage in later for file in dag.outputs(stage) if file.parent == paths.METRICS):
            file.unlink(missing_ok=True)
        write_json({f"validation_{key}": round(value, 6) for key, value in measures.items()}, SUMMARY)
        self._push(name)

    def forget_checkpoints(self) -> None:
        """Delete those of a trial that is over; the frozen layers' passes stay."""
        for folder in _trainings(self.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _evaluations(self, curve: str) -> list[float]:
        files = [file for folder in _trainings(self.folder) if (file := folder / paths.CURVES.name).exists()]
        return [float(row[curve]) for file in files[:1] for row in csv.DictReader(_text(file).splitlines())]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:  # the training is done
        return ""


def _trainings(folder: Path) -> list[Path]:
    return [one for one in (folder / "checkpoints").iterdir() if one.is_dir() and one.name != ACTIVATIONS]


def _watched(out: BinaryIO, unpromising: Callable[[], bool]) -> bool:
    """Run the pipeline up to the training; whether ``unpromising`` ended it. StageFailed where it failed."""
    dvc_locks.clear_stale()  # of a trial that was ended
    before = out.tell()
    command = [sys.executable, "-m", "dvc", "repro", STAGE]
    running = guard.start(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        while running.poll() is None:
            if unpromising():
                return True
            time.sleep(POLL_SECONDS)
    finally:
        code = guard.stop(running)  # SIGTERM: a training ends its step and saves a checkpoint
    if code:
        raise StageFailed(_last_words(Path(out.name), before))
    return False


def _last_words(log: Path, begin: int) -> str:
    """The error that a stage printed, or the last lines of its output."""
    said = log.read_bytes()[begin:].decode(errors="replace").replace("\r", "\n").splitlines()
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return errors[-1] if errors else "\n".join(line for line in said[-KEPT_LINES:] if line.strip())


@contextmanager
def made(home: Home, key: str, commit: str) -> Iterator[Place]:
    """The study's place for the length of the block, the current folder its clone; UserError while a search runs."""
    home.make()
    folder = private_folder(home.searches / key)
    with locks.holding(home.folder / "locks" / "search.lock", f"search {key}", "refuse"):
        checkpoints = private_folder(folder / "checkpoints")
        _wait_for_earlier(checkpoints)
        for left in home.searches.glob("*/clone"):  # by a search that was killed
            shutil.rmtree(left, ignore_errors=True)
        clone = workspace.clone(home, commit, folder / "clone", workspace.shared_cache(home))
        (clone / paths.CHECKPOINTS).unlink()
        (clone / paths.CHECKPOINTS).symlink_to(checkpoints)
        passes = private_folder(home.checkpoints / ACTIVATIONS)
        if not (checkpoints / ACTIVATIONS).is_symlink():
            (checkpoints / ACTIVATIONS).symlink_to(passes)
        try:
            workspace.materialise(clone)
            with chdir(clone):
                yield Place(home, folder, commit, clone)
        finally:
            shutil.rmtree(folder / "clone", ignore_errors=True)


def _wait_for_earlier(checkpoints: Path) -> None:
    """A search that was killed leaves a training that is saving its checkpoint, for some seconds."""
    deadline = time.monotonic() + 2 * guard.GRACE_SECONDS
    while any(locks.is_held(lock) for lock in checkpoints.glob(f"*/{LOCK}")) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
