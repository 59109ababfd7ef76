"""``driftline search`` with real DVC, git and training: killed in the middle of a trial, and started again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.machine.home import Home
from flows.search import place
from flows.search.space import load
from tests.support.processes import IDENTITY, wait_for
from tests.support.real_pipeline import commit, edit, make, repro, run

pytest.importorskip("optuna")
pytestmark = [pytest.mark.long, pytest.mark.in_order, pytest.mark.timeout(1800)]
SEARCH = """
trials: 3
params:
  finetune.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
  finetune.warmup: {low: 0.0, high: 0.3}
"""
EPOCHS = 12  # long enough to be killed in


@pytest.fixture(scope="module")
def repository(tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched") / "mails"
    folder.mkdir()
    make(folder, tiny_checkpoint)
    few = {"finetune__epochs": EPOCHS, "finetune__checkpoint_seconds": 0.2, "finetune__frozen_layers": 2}
    edit(folder, **few, finetune__threads=1, score__threads=1)
    (folder / "search.yaml").write_text(SEARCH)
    repro(folder)
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def environment(repository):
    return {"DRIFTLINE_HOME": str(repository.parent / "home")}


@pytest.fixture(scope="module")
def home(repository, environment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTLINE_HOME", environment["DRIFTLINE_HOME"])
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        yield Home.of(repository)


def searched(repository, environment, *words, ok=True):
    return run(repository, sys.executable, "-m", "driftline", "search", *words, ok=ok, **environment)


def study(home):
    (folder,) = home.searches.iterdir()
    return folder


def log(home):
    return (study(home) / "trials.log").read_text()


def experiments(repository):
    listed = run(repository, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.splitlines()
    return {ref.rpartition("/")[2].rpartition("-")[2]: ref for ref in listed}


def test_killed_in_the_middle_of_a_trial_it_goes_on(repository, environment, home):
    command = [sys.executable, "-m", "driftline", "search"]
    env = {**os.environ, **environment, **IDENTITY}
    with subprocess.Popen(command, cwd=repository, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("trial 1 of 3") for line in process.stdout)
        checkpoints = study(home) / "checkpoints"
        assert wait_for(lambda: any(checkpoints.glob("*/step-*/complete.json")), 300), log(home)
        process.kill()
    said = searched(repository, environment).stdout
    assert "resuming at step" in log(home), log(home)[-3000:]
    assert log(home).count("Running stage 'finetune'") == 4, "three trials, one of them in two parts"
    assert "trial 1 of 3" not in said and re.findall(r"^trial (\d) of 3", said, re.M) == ["2", "3"]
    assert set(experiments(repository)) == {"0", "1", "2", "3"}
    assert not any(checkpoints.glob("*/step-*")), "what is over needs no checkpoint"


def test_the_frozen_layers_are_run_once_for_all_trials(home):
    passes = list((home.checkpoints / "activations").glob("*/values.f32"))
    assert len(passes) == 2, "of train and of validation"


def test_no_stage_that_predicts_test_rows_was_run(repository, home):
    ran = set(re.findall(r"Running stage '([\w@]+)'", log(home)))
    assert ran == {"finetune"}
    tree = run(repository, "git", "ls-tree", "-r", "--name-only", experiments(repository)["3"]).stdout.splitlines()
    assert "metrics/finetune.json" in tree and not {"metrics/evaluate.json", "metrics/drift.json"} & set(tree)


def test_each_trial_is_an_experiment_with_its_values_and_score(repository, home):
    shown = json.loads(run(repository, "dvc", "exp", "show", "--json").stdout)
    named = {}
    for one in shown[1]["experiments"]:
        (revision,) = one["revs"]
        named[revision["name"].rpartition("-")[2]] = revision["data"]
    rates = {one["params"]["params.yaml"]["data"]["finetune"]["learning_rate"] for one in named.values()}
    assert named.keys() == {"0", "1", "2", "3"} and len(rates) == 4
    for one in named.values():
        scores = one["metrics"]["metrics/summary.json"]["data"]
        assert scores.keys() == {"validation_log_loss", "validation_accuracy", "validation_macro_f1"}


def test_a_search_that_is_over_says_again_what_it_came_to(repository, environment):
    before = experiments(repository)
    said = searched(repository, environment).stdout
    assert "3 trials: 3 trained" in said and "Tsamardinos et al. 2018" in said and "trial 3 of 3" not in said
    assert experiments(repository) == before
    page = (repository / "reports/search.html").read_text()
    assert page.count("search-") >= 3 and "3 trials: 3 trained" in page
    assert run(repository, "git", "status", "--porcelain").stdout == ""


def test_a_hopeless_training_is_ended_and_leaves_nothing(repository, home):
    space, _ = load(repository)
    at = run(repository, "git", "rev-parse", "HEAD").stdout.strip()
    with place.made(home, study(home).name, at) as here:
        assert here.train(here.name(0), space, {}, lambda _: False)
        reached = []

        def hopeless(evaluations):
            reached[:] = evaluations
            return len(evaluations) >= 3

        assert not here.train("hopeless", space, {"finetune.learning_rate": 0.003}, hopeless)
        assert 3 <= len(reached) < EPOCHS
        assert [one.name for one in (here.folder / "checkpoints").iterdir()] == ["activations"]
        before = log(home).count("Running stage 'finetune'")
        assert here.train(here.name(2), space, {}, lambda _: False)
        assert log(home).count("Running stage 'finetune'") == before, "what is trained was trained again"
    assert not here.clone.exists()


def test_the_proposed_command_takes_the_trial_over(repository, environment, home):
    name = experiments(repository)["2"].rpartition("/")[2]
    run(repository, "dvc", "exp", "apply", name)
    said = run(repository, "dvc", "repro").stdout
    assert "Running stage 'finetune'" not in said and "Running stage 'evaluate'" in said
    run(repository, "git", "checkout", "--quiet", "--force", ".")


def test_what_is_not_committed_is_not_searched(repository, environment):
    edit(repository, finetune__epochs=2)
    done = searched(repository, environment, ok=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: trials are trained at the last commit, and params.yaml changed since: commit, or `git stash`\n"
    )
