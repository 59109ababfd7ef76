"""A repository that an earlier release served, promoted and watched is continued. make.py says how it was made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows.approval import approval
from flows.champion import comparison, proposal, registry
from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import watch
from flows.monitoring.flow import monitoring
from flows.parameters import Policy
from flows.runs.record import latest, read_record, records
from flows.runs.verify import rebuild
from flows.scheduled_training import scheduled_training
from flows.status.lines import record_lines
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY

pytestmark = [pytest.mark.slow, pytest.mark.in_order, pytest.mark.timeout(900)]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def home(tmp_path_factory, api):
    """The home of the repository as a74df7e left it; what that release kept outside of it is gone."""
    folder = tmp_path_factory.mktemp("old") / "repository"
    (folder / ".dvc" / "cache").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_pipeline.environment(IDENTITY).items():
            patch.setenv(name, value)
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PYTHONPATH", raising=False)
        git(folder, "init", "--quiet", "--initial-branch=empty")
        git(folder, "fetch", "--quiet", str(HERE / "a74df7e.bundle"), "+refs/*:refs/*")
        git(folder, "checkout", "--quiet", "main")
        archive = ["tar", "-C", str(folder / ".dvc" / "cache"), "-xJf", str(HERE / "a74df7e.cache.tar.xz")]
        subprocess.run(archive, check=True)
        yield Home.of(folder)


def test_its_records_are_read(home):
    found = [read_record(home.origin, one) for one in records(home.origin)]
    assert [run.flow for run in found] == [
        "monitoring",
        "scheduled-training",
        "scheduled-training",
        "monitoring",
        "monitoring",
        "monitoring",
        "scheduled-training",
    ]
    assert found[1].outcome.startswith("failed: no stage 'nothing'")
    refit = found[2]
    assert read_record(home.origin, latest(home.origin, flow="scheduled-training")) == refit
    assert refit.because == found[3].name
    alarm = found[3].watched
    assert (str(alarm.window), alarm.verdict.changed, alarm.decision.refit) == ("2026-03-01 to 2026-03-15", True, True)
    assert (alarm.policy.refit_on, alarm.policy.action, alarm.policy.tolerated_loss) == ("alarm", "promote", 0.02)
    assert alarm.tried_at == alarm.window.until
    assert "macro-F1" in next(line for line in record_lines(home) if refit.name in line)


def test_its_verdicts_are_read(home):
    first, second = sorted(comparison.verdicts(home.origin), key=lambda one: bool(one.judged.champion))
    assert first.judged.champion is None and first.promote
    assert second.judged.challenger == registry.champion(home.origin).commit
    assert second.promote and second.reason.startswith("The challenger")
    assert second.figures["test_rows"]["key"]


def test_its_champion_is_watched_on_the_next_window(home):
    champion, before = registry.champion(home.origin), watch.last(home).watched
    assert (champion.name, before.champion) == ("v0.0.2", champion)
    assert "checks_per_epoch" in git(home.origin, "show", f"{champion.commit}:params.yaml")  # no longer a key today
    state = monitoring(str(home.origin), policy=Policy(refit_on="alarm"), return_state=True)
    assert state.is_completed(), state.message
    now = watch.last(home).watched
    assert (str(before.window), str(now.window)) == ("2026-03-15 to 2026-03-29", "2026-03-29 to 2026-04-12")
    assert len(now.verdict.runs) == 1
    assert now.tried_at == before.tried_at


def test_the_next_training_goes_on_from_its_last_one_and_is_compared_with_its_champion(home, caplog):
    before = latest(home.origin, flow="scheduled-training")
    state = scheduled_training(str(home.origin), return_state=True)
    assert state.is_completed(), state.message
    made = latest(home.origin, flow="scheduled-training")
    assert made.name in state.message
    assert f"continues from what {before.name} made" in caplog.messages
    verdict = proposal.propose(home, made.commit, False, False, None, None).verdict
    assert verdict.judged.champion == registry.champion(home.origin).commit
    assert "There is no champion" not in verdict.reason
    assert approval(str(home.origin), return_state=True).name in ("Nothing", "NotPromoted")


def test_its_run_is_rebuilt_to_the_same_bytes_and_its_champion_rolled_back(home):
    refit = next(one for one in records(home.origin) if one.commit == registry.champion(home.origin).commit)
    found = rebuild(home, refit)
    assert found.same, str(found)
    assert "rolled back: v0.0.1" in proposal.rollback(home, None, None)[0]
    assert registry.champion(home.origin).name == "v0.0.1"
