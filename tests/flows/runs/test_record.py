"""Records have a reference of ours: DVC's experiments may come and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.machine.git import git
from flows.runs import record
from flows.runs.record import RunInfo
from tasks.core import paths
from tasks.core.files import write_json


@pytest.fixture
def past(repository):
    return save(repository, "training-20260101-020000-aaaa")


def save(repository, name):
    info = RunInfo(name, "scheduled-training", repository, record.now())
    return record.save_without_clone(repository, record.describe(repository, info, "completed"))


def remove_experiments(repository):
    """What ``dvc exp remove -A`` does, and git's collection after it."""
    for ref in git(repository, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines():
        git(repository, "update-ref", "-d", ref)
    git(repository, "gc", "-q", "--prune=now")


def test_a_record_outlives_its_experiment(repository, past):
    remove_experiments(repository)
    assert record.records(repository) == [past]
    assert record.read_record(repository, past).name == past.name


def test_a_record_is_listed_once_the_newest_first(repository, past):
    second = save(repository, "training-20260102-020000-aaaa")
    assert record.records(repository) == [second, past]


def test_records_of_earlier_releases_are_read_and_adopted(repository, past):
    git(repository, "update-ref", "-d", past.ref)
    as_before = replace(past, ref=record.experiment_ref(past.baseline, past.name))
    assert record.records(repository) == [as_before]
    record.adopt(repository)
    remove_experiments(repository)
    assert record.records(repository) == [past]


def test_both_references_reach_a_remote_also_when_the_experiment_is_gone_here(repository, past, tmp_path_factory):
    remote = tmp_path_factory.mktemp("remote")
    git(remote, "init", "-q", "--bare")
    git(repository, "remote", "add", "team", str(remote))
    remove_experiments(repository)
    record.push(repository, past, "team")
    listed = git(remote, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    refs = [past.ref, record.experiment_ref(past.baseline, past.name)]
    assert listed == [f"{past.commit} {ref}" for ref in refs]


@pytest.mark.parametrize("made_by_dvc", [False, True])
def test_a_record_holds_what_the_training_cost_unless_dvc_holds_it(repository, made_by_dvc):
    cost = paths.FINETUNE_COST
    write_json({"seconds": {}}, repository / cost)
    outs = f"[{{path: {cost}, md5: 1f}}]" if made_by_dvc else "[]"
    (repository / "dvc.lock").write_text(f"stages: {{finetune: {{cmd: x, outs: {outs}}}}}")
    commit = record.commit_work(repository, "a run")
    held = git(repository, "ls-tree", "-r", "--name-only", commit).splitlines()
    assert (str(cost) in held) is not made_by_dvc and "dvc.lock" in held
