"""The three months, as the schedule and a person would have seen them. What is decided, the flows' gates decide."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from prefect.client.schemas.objects import State

from flows.champion import comparison, precision, proposal, registry
from flows.champion.verdict import Judged, Verdict
from flows.demo.stream import JOINS, LEARNT, LIST, WEEKS, Stream, beginning
from flows.machine.home import Home
from flows.monitoring import watch
from flows.monitoring.flow import monitoring
from flows.parameters import Limits, Policy
from flows.pipeline import stage
from flows.promotion import promotion
from flows.runs import record
from flows.runs.run_record import Version
from flows.runs.summary import closing_lines
from flows.scheduled_training import scheduled_training
from tasks import gate
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.dataset import layout
from tasks.gate.tables import pair
from tasks.gate.verdict import gate_verdict

log = logging.getLogger("flows.demo")
WIDTH = 110
COOLDOWN_DAYS = 14.0  # two weeks, so that the week after a refit is looked at before the next
KEEP_ALL = Limits(keep_clones=WEEKS * 3)  # their reports are to be looked at
NEEDED = ("report",)  # all but the explanations, which take as long as the training


class Narration(logging.Handler):
    """Prints what the demo logs, and what each stage did, with the minutes and seconds since the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    @classmethod
    def start(cls) -> None:
        """Print from now on; DVC's own progress bars and warnings are left out."""
        for name in (log.name, stage.log.name):
            logging.getLogger(name).addHandler(cls())
        log.setLevel(logging.INFO)
        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        logging.getLogger("dvc_data").setLevel(logging.ERROR)  # what has never been made it warns of, by the dozen

    def emit(self, record: logging.LogRecord) -> None:
        """Of a stage's lines only the one that says what it did."""
        if record.name == log.name:
            self._print(record.getMessage())
        elif record.msg == stage.DID and isinstance(record.args, tuple) and record.args[1] != "unchanged":
            self._print(f"  . {record.args[0]} {record.args[1]}")

    def _print(self, text: str) -> None:
        """A line with the time; those that follow stand below it."""
        first, *rest = (part for line in text.splitlines() for part in wrap(line, WIDTH) or [""])
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)  # the progress bar of the stage that has just ended
        print("\n".join([f"{minutes:2}:{seconds:02}  {first}", *(f"       {line}" for line in rest)]), flush=True)


@dataclass
class Story:
    """The demo's repository and what was seen so far."""

    home: Home
    weeks: Sequence[int] = range(LEARNT + 1, WEEKS + 1)
    """Those that are watched."""
    stages: Sequence[str] = NEEDED
    """What the first training is to bring up to date."""
    newest: Path = Path()
    """The clone of the newest run: its pages are the ones to open."""

    def play(self) -> None:
        """Train, promote and watch every week, in order."""
        self._train()
        for week in self.weeks:
            self._watch(week)
        log.info(f"three months are over; the champion is {registry.champion(self.home.origin)}")

    def _train(self) -> None:
        log.info(f"weeks 1 to {LEARNT}: the first training (flows.scheduled_training)")
        _completed(
            scheduled_training(str(self.home.origin), stages=list(self.stages), limits=KEEP_ALL, return_state=True)
        )
        first = next(iter(record.records(self.home.origin)))
        self.newest = self.home.clones / first.name
        log.info("\n".join(["trained:", *(line for line in closing_lines(self.newest) if line.startswith(_MODEL))]))
        _completed(promotion(str(self.home.origin), commit=first.commit, promote=True, return_state=True))
        log.info(f"promoted (flows.promotion): {registry.champion(self.home.origin)} is the champion")

    def _watch(self, week: int) -> None:
        before = registry.champion(self.home.origin)
        log.info(f"week {week}, from {beginning(week):%d %B}: the window has closed (flows.monitoring)")
        policy = Policy(refit_on="alarm", action="promote", cooldown_days=COOLDOWN_DAYS)
        state = _completed(monitoring(str(self.home.origin), policy=policy, limits=KEEP_ALL, return_state=True))
        run = watch.last(self.home)
        assert run and run.watched
        self.newest = self.home.clones / run.name
        verdict = run.watched.verdict
        heading = f"{'ALARM' if verdict.alarm else 'quiet'}: {verdict.word}, {run.watched.rows} mails"
        log.info(f"{heading}\n{_message(state)}")
        if registry.champion(self.home.origin) == before:
            self._second_look()

    def _second_look(self) -> None:
        """What a person does about a new champion: would the one before have done better in the week just seen?"""
        line = registry.champions(self.home.origin)
        if len(line) < 2:
            return
        verdict = verdict_on_window(self.home, line[-2], line[-1], self.newest)
        asked = f"a person asks the gate whether {line[-2].name} had done better in this week than {line[-1].name}"
        log.info(f"{asked} (tasks.gate): {'yes' if verdict.promote else 'no'}\n{verdict.reason}")
        if verdict.promote:
            log.info(proposal.rollback(self.home, None, None)[0])


_MODEL = ("model", "baseline")


def _completed(state: State[Any]) -> State[Any]:
    if not state.is_completed():
        raise UserError(f"a flow of the demo failed: {state.message}")
    return state


def _message(state: State[Any]) -> str:
    """The flow's own words, without its headline and what is said of remotes."""
    lines = (state.message or "").splitlines()[1:]
    return "\n".join(line for line in lines if not line.startswith("the model lies"))


def verdict_on_window(home: Home, other: Version, champion: Version, window: Path) -> Verdict:
    """The gate's verdict on another version as the challenger of the champion, on the rows of a watched window."""
    current = layout.window("current")
    with tempfile.TemporaryDirectory() as made:
        clone = comparison.clone_with(home, other.commit, Path(made) / "clone", [paths.CLASSIFIER])
        common = precision.common(precision.of_code(clone), precision.of_scores(window, "current"))
        ours = comparison.own_answers(window, "current", current.validated, common)
        rows = pair(ours, comparison.answers(clone, window / current.validated, common), None, [])
    found = gate_verdict(rows, gate.Params(rule="better", max_calibration_error=None), 0, [])
    return Verdict.of(found, Judged(champion=champion.commit, challenger=other.commit))


def what_was_done(stream: Stream) -> list[str]:
    """What the demo did to the data, in words."""
    return [
        f"{len(stream.rows)} mails of data/samples, each given a time at random within {WEEKS} weeks from "
        f"{beginning(1):%d %B %Y}",
        "(the sample's own weeks differ so much, by how it was collected, that each would be called changed).",
        f"The mailing list {LIST} was held back. In week {JOINS} come {stream.mislabelled} of its mails, as spam,",
        f"which is wrong; in week {JOINS + 1} come {stream.labelled} more, labelled right.",
        "All else is as the flows and their gates find it.",
    ]
