"""The study goes on whatever ends it, and what it draws does not depend on that. Training is made up here."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flows.errors import FlowError, GitFailed, StageFailed
from flows.search import closing
from flows.search.closing import Tried
from flows.search.scores import Predictions, optimism
from flows.search.space import Space

pytest.importorskip("optuna")
from flows.search.study import Search, opened

SPACE = Space.model_validate({"params": {"finetune.learning_rate": {"low": 1e-5, "high": 1.0, "log": True}}})
BEST = 0.01


class Made:
    """In the place of a clone: the loss is the distance of the learning rate from BEST, in powers of ten."""

    log = "trials.log"

    def __init__(self, curve=lambda value: [value], stop_at=None, failure=None):
        self.curve, self.stop_at, self.failure = curve, stop_at, failure
        self.trained, self.saved, self.forgotten = [], [], 0

    def name(self, number):
        return f"search-k-{number}"

    def train(self, name, space, values, unpromising):
        if not values:
            self.value = 1.0
            return True
        if len(self.trained) == self.stop_at:
            raise KeyboardInterrupt
        self.trained.append(values["finetune.learning_rate"])
        if self.failure:
            raise self.failure
        self.value = abs(np.log10(values["finetune.learning_rate"] / BEST))
        curve = self.curve(self.value)
        return not any(unpromising(curve[:count]) for count in range(1, len(curve) + 1))

    def score(self, name):
        likely = np.full(4, np.exp(-self.value))
        return Predictions(np.stack([likely, 1 - likely], axis=1), np.zeros(4, np.int64))

    def save(self, name, measures):
        self.saved += [name] if not name.endswith("-0") else []

    def forget_checkpoints(self):
        self.forgotten += 1


def go(folder, place, trials, space=SPACE):
    """The lines of one process, and the study afterwards."""
    study = opened(folder, "k", space)
    search = Search(study, space, place, trials, seed=7)
    return list(search.go()), Tried.of(opened(folder, "k", space), space)


@pytest.mark.proof
def test_an_interrupted_study_draws_what_an_uninterrupted_one_does(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "halved").mkdir()
    _, whole = go(tmp_path / "whole", Made(), 14)
    first, second = Made(stop_at=5), Made(stop_at=7)
    for place in (first, second):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "halved", place, 14)
    last = Made()
    lines, halved = go(tmp_path / "halved", last, 14)
    assert [one.values for one in halved.trials] == [one.values for one in whole.trials]
    assert [one.name for one in halved.trials] == [f"search-k-{number}" for number in range(1, 15)]
    assert len(first.trained) + len(second.trained) + len(last.trained) == 14, "a finished trial ran again"
    assert lines[1].startswith("trial 13 of 14")
    assert len({one.values["finetune.learning_rate"] for one in whole.trials}) == 14


@pytest.mark.proof
def test_trials_of_earlier_calls_count(tmp_path):
    go(tmp_path, Made(), 3)
    place = Made()
    _, tried = go(tmp_path, place, 5)
    assert len(place.trained) == 2 and len(tried.trials) == 5


@pytest.mark.proof
def test_a_hopeless_trial_is_ended_early_and_saved_nowhere(tmp_path):
    go(tmp_path, Made(curve=lambda value: [value, value]), 6)
    place = Made(curve=lambda value: [9.0, value])  # its first evaluation is far above the median
    lines, tried = go(tmp_path, place, 7)
    assert "ended early, after 1 evaluation " in lines[1]
    assert tried.trials[-1].outcome == "ended early" and place.saved == []
    _, again = go(tmp_path, Made(), 7)
    assert len(again.trials) == 7


@pytest.mark.proof
def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path):
    go(tmp_path, Made(), 1)
    place = Made(failure=StageFailed("finetune: the loss diverges at step 3"))
    with pytest.raises(FlowError, match="3 trials in a row failed: see"):
        go(tmp_path, place, 9)
    lines, tried = go(tmp_path, Made(), 5)
    assert place.forgotten == 3 and len(tried.trials) == 5
    assert [one.outcome for one in tried.trials[1:4]] == ["failed: finetune: the loss diverges at step 3"] * 3
    assert lines[1].startswith("trial 5 of 5")


@pytest.mark.proof
def test_what_the_machine_refuses_is_no_failed_trial(tmp_path):
    with pytest.raises(GitFailed):
        go(tmp_path, Made(failure=GitFailed("no space")), 2)
    assert len(go(tmp_path, Made(), 2)[1].trials) == 2


@pytest.mark.proof
def test_the_best_is_named_as_a_block_and_a_command(tmp_path):
    _, tried = go(tmp_path, Made(), 12)
    cost = optimism({"one": Made.score(type("", (), {"value": 0.5})(), "")}, "log_loss", 7)
    said = "\n".join(closing.lines(tried, cost))
    best = min(tried.complete, key=lambda one: one.score)
    assert f"in params.yaml:\nfinetune:\n  learning_rate: {best.values['finetune.learning_rate']}" in said
    assert f"dvc exp apply {best.name} && driftline run" in said
    assert re.search(r"^12 trials: \d+ trained, \d+ ended early, 0 failed$", said, re.M)
    assert len(list(closing.table(tried))) == 12
    assert list(closing.lines(tried, cost, applies=False))[-1] == "to run it: write that, then driftline run"


@pytest.mark.proof
def test_where_none_is_better_than_as_it_stands_nothing_is_proposed(tmp_path):
    _, tried = go(tmp_path, Made(), 2)
    tried = Tried(tried.space, tried.trials, as_it_stands=0.0)
    cost = optimism({"one": Made.score(type("", (), {"value": 0.5})(), "")}, "log_loss", 7)
    said = "\n".join(closing.lines(tried, cost))
    assert "no trial beats params.yaml as it stands, validation log loss 0.0000" in said and "dvc exp apply" not in said
