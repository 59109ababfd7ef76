"""What the policy deletes, and what stays whatever it says."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Completed, Running

from flows.machine.git import git
from flows.parameters import Keep
from flows.runs import prune, record
from flows.runs.record import records
from flows.scheduled_training import scheduled_training
from tasks.core.errors import UserError

DAY = 86400


def stored(home, letter, days=9):
    """An object of the cache, last touched so long ago: its md5."""
    md5 = letter * 32
    file = home.origin / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(letter)
    os.utime(file, (time.time() - days * DAY,) * 2)
    return md5


def there(home):
    return "".join(sorted(file.read_text()[0] for file in (home.origin / ".dvc/cache/files/md5").glob("??/*")))


def lock(md5):
    return f"schema: '2.0'\nstages:\n  one:\n    cmd: x\n    outs:\n    - path: a\n      md5: {md5}\n"


def write(home, text, *message):
    (home.origin / "dvc.lock").write_text(text)
    if message:
        git(home.origin, "add", "dvc.lock")
        git(home.origin, "commit", "-qm", *message)


@pytest.mark.proof
def test_of_the_cache_only_what_nothing_names_is_deleted(deployed):
    write(deployed, lock(stored(deployed, "a")), "an older commit")
    git(deployed.origin, "checkout", "-qb", "another")
    write(deployed, lock(stored(deployed, "b")), "of another branch")
    git(deployed.origin, "checkout", "-q", "-")
    write(deployed, lock(stored(deployed, "c")), "of a tag alone")
    git(deployed.origin, "tag", "some")
    git(deployed.origin, "reset", "-q", "--hard", "HEAD~1")
    write(deployed, lock(stored(deployed, "d")))  # of a record alone, whose experiment somebody removes
    info = record.RunInfo("training-mails-1", "scheduled-training", deployed.origin, record.now())
    kept = record.save(deployed.origin, record.describe(deployed.origin, info, "completed"))
    git(deployed.origin, "update-ref", "-d", record.experiment_ref(kept.baseline, kept.name))
    write(deployed, lock(stored(deployed, "e")))  # of the working tree alone
    (deployed.origin / "mine.csv.dvc").write_text(f"outs:\n- md5: {stored(deployed, 'f')}\n  path: mine.csv\n")
    deployed.landing.mkdir(parents=True)
    (deployed.landing / "drops.dvc").write_text(f"outs:\n- md5: {stored(deployed, '1')}\n  path: drops\n")
    clone = deployed.clones / "unrecorded"
    clone.mkdir(parents=True)
    (clone / "dvc.lock").write_text(lock(stored(deployed, "2")))
    stored(deployed, "3", days=0.5)  # work that nothing points to yet
    stored(deployed, "9"), stored(deployed, "8")
    assert there(deployed) == "12389abcdef"
    assert prune.cache(deployed) == (2, 2)
    assert there(deployed) == "123abcdef"
    assert prune.cache(deployed) == (0, 0)


def test_a_folder_keeps_its_files(deployed):
    listing = stored(deployed, "a")
    file = deployed.origin / ".dvc/cache/files/md5/aa" / listing[2:]
    file.rename(file.with_name(file.name + ".dir"))
    whole = file.with_name(file.name + ".dir")
    whole.write_text(f'[{{"md5": "{stored(deployed, "b")}", "relpath": "x"}}]')
    os.utime(whole, (1, 1))
    write(deployed, lock(f"{listing}.dir"), "a folder")
    stored(deployed, "9")
    assert prune.cache(deployed)[0] == 1
    assert there(deployed) == "[b"


@pytest.mark.slow
def test_a_cache_that_others_may_use_is_refused(deployed, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    subprocess.run(["dvc", "config", "cache.dir", str(shared)], cwd=deployed.origin, check=True)
    with pytest.raises(UserError, match="which other repositories may use too"):
        prune.cache(deployed)


def save(home, name, days, outcome="completed", flow="scheduled-training"):
    ended = datetime.now(UTC) - timedelta(days=days)
    info = record.RunInfo(name, flow, home.origin, ended)
    run = record.describe(home.origin, info, outcome).model_copy(update={"ended": ended})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", ended.isoformat())
        return record.save(home.origin, run)


@pytest.mark.proof
def test_old_records_go_but_none_that_a_version_or_the_next_run_needs(deployed):
    save(deployed, "promoted", 300)
    git(deployed.origin, "tag", "-am", "x", "classifier@v0.0.1", records(deployed.origin)[0].commit)
    for name, days, outcome in (
        ("old", 200, "completed"),
        ("failed-old", 150, "failed: x"),
        ("failed", 120, "failed: x"),
        ("last-good", 110, "completed"),
    ):
        save(deployed, name, days, outcome)
    save(deployed, "rebuilt", 250, flow="rebuild")
    gone = prune.old_records(deployed, 90)
    assert sorted(one.name for one in gone) == ["failed-old", "old"]
    assert {one.name for one in records(deployed.origin)} == {"promoted", "failed", "last-good", "rebuilt"}
    assert not any("/old" in ref for ref in git(deployed.origin, "for-each-ref", "--format=%(refname)").splitlines())


@pytest.mark.slow
def test_old_runs_go_from_prefects_server_and_young_running_and_foreign_ones_stay(api, deployed):
    def begun(repository, *states):
        made = client.create_flow_run(scheduled_training, parameters={"repository": repository})
        for state in (Running(), *states):
            client.set_flow_run_state(made.id, state, force=True)
        return made.id

    ours = str(deployed.origin)
    with get_client(sync_client=True) as client:
        ended, running, foreign = begun(ours, Completed()), begun(ours), begun("/nowhere/else", Completed())
        assert list(prune.prune(deployed, Keep(server_days=30), client)) == []
        assert list(prune.prune(deployed, Keep(server_days=0))) == []  # no server was asked
        said = list(prune.prune(deployed, Keep(server_days=0), client))
        left = {run.id for run in client.read_flow_runs()}
        client.set_flow_run_state(running, Completed(), force=True)
    assert said == ["deleted 1 runs from Prefect's server"]
    assert {running, foreign} <= left and ended not in left
