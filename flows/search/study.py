"""The study: Optuna proposes, DVC trains, and whatever ends this process, the next one goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import FlowError, GitFailed
from flows.search.closing import AS_IT_STANDS, ERROR, NAME, VALUES, Tried, in_words, shown
from flows.search.place import Evaluations, Place
from flows.search.space import Space, Values
from tasks.core.errors import UserError

if TYPE_CHECKING:
    import optuna

IN_A_ROW = 3  # failed trials that end a search: something else is wrong


def opened(folder: Path, key: str, space: Space) -> optuna.Study:
    """The study in the folder, which may be an earlier process's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name=key,
        direction=space.direction,
        pruner=optuna.pruners.MedianPruner(),
        load_if_exists=True,
    )


@dataclass
class Search:
    """A study at work."""

    study: optuna.Study
    space: Space
    place: Place
    trials: int
    """In all."""
    seed: int
    seconds: list[float] = field(default_factory=list)
    """Of each trial of this process."""

    def go(self) -> Iterator[str]:
        """A line as each trial ends. FlowError where none can be trained."""
        yield self._begin()
        self._take_up_interrupted()
        failed = 0
        while (done := len(self._tried().trials)) < self.trials:
            started = time.monotonic()
            trial, values = self._ask(done)
            try:
                said, failed = self._train(trial, values), 0
            except GitFailed:
                raise
            except UserError as failure:
                said, failed = self._fail(trial, str(failure)), failed + 1
            self.seconds.append(time.monotonic() - started)
            yield "  ".join([f"trial {done + 1} of {self.trials}", said, self._clock(done + 1), shown(values)])
            if failed == IN_A_ROW:
                raise FlowError(f"{failed} trials in a row failed: see {self.place.log}")

    def _tried(self) -> Tried:
        return Tried.of(self.study, self.space)

    def _begin(self) -> str:
        """The pipeline as it stands is trained first, or is there: what trials are compared with."""
        name = self.place.name(0)
        self.place.train(name, self.space, {}, lambda _: False)
        measures = self.place.score(name).measures()
        self.place.save(name, measures)
        score = measures[self.space.measure]
        self.study.set_user_attr(AS_IT_STANDS, score)
        return f"params.yaml as it stands  {in_words(self.space.measure, score)}"

    def _take_up_interrupted(self) -> None:
        """Propose again, first of all, what a process was training that did not end well; its checkpoint is there."""
        from optuna.trial import TrialState

        for one in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.enqueue_trial(one.params)
            self.study.tell(one.number, state=TrialState.FAIL)

    def _ask(self, done: int) -> tuple[optuna.Trial, Values]:
        """The next trial. What is drawn depends on the seed and the trials that are over, not on who was killed."""
        import optuna

        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + done)
        trial = self.study.ask()
        values = self.space.suggested(trial)
        trial.set_user_attr(NAME, self.place.name(done + 1))
        trial.set_user_attr(VALUES, values)
        return trial, values

    def _train(self, trial: optuna.Trial, values: Values) -> str:
        """What became of the trial. UserError where it failed."""
        from optuna.trial import TrialState

        evaluations = 0

        def unpromising(reached: Evaluations) -> bool:
            nonlocal evaluations
            fresh, evaluations = reached[evaluations:], max(evaluations, len(reached))
            for step, value in enumerate(fresh, evaluations - len(fresh)):
                trial.report(value, step)
            return bool(fresh) and trial.should_prune()

        if not self.place.train(trial.user_attrs[NAME], self.space, values, unpromising):
            self.study.tell(trial, state=TrialState.PRUNED)
            return f"ended early, after {evaluations} evaluation{'s' * (evaluations != 1)}"
        name = trial.user_attrs[NAME]
        measures = self.place.score(name).measures()
        self.place.save(name, measures)
        self.study.tell(trial, measures[self.space.measure])
        return in_words(self.space.measure, measures[self.space.measure]) + self._best()

    def _best(self) -> str:
        best = self._tried().best
        return f", the best so far {best.score:.4f}" if best else ", no better than as it stands"

    def _fail(self, trial: optuna.Trial, why: str) -> str:
        from optuna.trial import TrialState

        trial.set_user_attr(ERROR, why)
        self.study.tell(trial, state=TrialState.FAIL)
        self.place.forget_checkpoints()
        return f"failed: {why.splitlines()[-1]}"

    def _clock(self, done: int) -> str:
        left = sum(self.seconds) / len(self.seconds) * (self.trials - done)
        return f"{self.seconds[-1]:.0f} s" + (f", {_length(left)} left" if left else "")


def _length(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
