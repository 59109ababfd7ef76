"""Silence is not health: no runner, an overdue run or a dead server is a problem, said and by exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.states import AwaitingConcurrencySlot, Completed, Running, Scheduled
from prometheus_client.parser import text_string_to_metric_families

from flows.champion import registry
from flows.cli.operations import status as command
from flows.machine import prefect_address
from flows.machine.git import git
from flows.machine.locks import holding
from flows.machine.prefect_address import Address
from flows.monitoring import watch
from flows.notify import notifications, outbox
from flows.runs import record
from flows.runs.record import RunInfo
from flows.runs.renamed import MONITORING, SCHEDULED_TRAINING
from flows.status import health
from flows.status.health import status
from flows.status.lines import lines
from flows.status.prometheus import text
from tasks.core.errors import UserError
from tests.support.processes import free_port

NOW = datetime(2026, 3, 10, tzinfo=UTC)
PARAMS = """
first: {word: red}
windows:
  reference: {from: null, until: "2026-02-01"}
  current: {from: "2026-02-01", until: "2026-02-08"}
"""


@pytest.fixture
def dead(monkeypatch):
    """The server that is named is not there."""
    at = Address(f"http://127.0.0.1:{free_port()}/api", "PREFECT_API_URL")
    monkeypatch.setattr(prefect_address, "named", lambda: at)
    return at


@pytest.fixture
def champion(deployed):
    """One that was trained until the end of January, and watches weeks."""
    (deployed.origin / "params.yaml").write_text(PARAMS)
    git(deployed.origin, "commit", "-qam", "windows")
    return registry.set_champion(deployed.origin, git(deployed.origin, "rev-parse", "HEAD"), "first")[0]


@pytest.mark.proof
def test_a_dead_server_and_no_runner_are_problems_and_all_else_is_still_shown(deployed, champion, dead, capsys):
    found = status(deployed, NOW)
    assert (found.server.problem is None, found.runner.alive, found.runs) == (False, False, None)
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "no Prefect server answers at http", "nothing is there to start runs",
    ]  # fmt: skip
    said = "\n".join(lines(deployed, found))
    assert f"{dead.api.removesuffix('/api')}, from PREFECT_API_URL" in said
    assert "champion   v0.0.1" in said and "problem    nothing is there to start runs: `driftline serve`" in said
    with holding(deployed.serve_lock, "process 7"):
        assert status(deployed, NOW).runner.about == "driftline serve, process 7"


@pytest.mark.proof
def test_windows_that_have_closed_are_counted_from_the_last_that_was_watched(deployed, champion, dead, monkeypatch):
    found = status(deployed, NOW).windows
    assert (found.watched_until, str(found.next), found.waiting) == (None, "2026-02-01 to 2026-02-08", 5)
    assert found.oldest_closed == datetime(2026, 2, 8, tzinfo=UTC)
    assert "5 closed and not watched, the first 30 days ago" in "\n".join(lines(deployed, status(deployed, NOW)))
    seen = SimpleNamespace(watched=SimpleNamespace(seen_until=datetime(2026, 3, 8, tzinfo=UTC)))
    monkeypatch.setattr(watch, "last", lambda *_: seen)
    found = status(deployed, NOW).windows
    assert (found.waiting, found.oldest_closed, str(found.next)) == (0, None, "2026-03-08 to 2026-03-15")


def test_notifications_that_could_not_be_sent_are_a_problem(deployed, dead, monkeypatch):
    monkeypatch.setattr(notifications, "notify", lambda *_: 1 / 0)
    outbox.tell(deployed, "hook/team", "one", "two")
    found = status(deployed)
    assert found.notifications_waiting == 1
    assert any(one.startswith("1 notifications could not be sent to hook/team since") for one in found.problems)


def left(home, name, flow, outcome, ended):
    info = RunInfo(name, flow, home.origin, ended)
    described = record.describe(home.origin, info, outcome).model_copy(update={"ended": ended})
    return record.save_without_clone(home.origin, described)


@pytest.mark.proof
def test_a_collector_reads_what_a_person_reads(deployed, champion, dead, monkeypatch):
    ended = datetime(2026, 3, 9, tzinfo=UTC)
    left(deployed, "t-1", SCHEDULED_TRAINING, "completed", ended)
    left(deployed, "t-2", SCHEDULED_TRAINING, "failed: split failed", ended + timedelta(hours=1))
    left(deployed, "m-1", MONITORING, "cancelled: by a person", ended)
    asked = deployed.folder / "to_label" / "2026-02-01_2026-02-08" / "to_label.csv"
    asked.parent.mkdir(parents=True)
    asked.write_text("id,text,label,chosen\n1,a,,random\n2,b,spam,random\n3,c,,uncertain\n")
    (deployed.origin / "step.py").write_text("# mended\n")
    git(deployed.origin, "commit", "-qam", "mended")
    known = {}
    for family in text_string_to_metric_families(text(status(deployed, NOW))):
        for sample in family.samples:
            more = {key: value for key, value in sample.labels.items() if key not in ("repository", "checkout")}
            known[sample.name, *more.values()] = sample.value
            assert sample.labels["checkout"] == deployed.checkout.id
    day = timedelta(days=1).total_seconds()
    assert known["driftline_healthy",] == known["driftline_server_up",] == known["driftline_runner_up",] == 0
    assert known["driftline_windows_waiting",] == 5
    assert known["driftline_windows_oldest_waiting_age_seconds",] == 30 * day
    assert known["driftline_champion_age_seconds",] == 37 * day
    assert known["driftline_champion_code_files_changed",] == 1
    assert known["driftline_labels_waiting_rows",] == 2
    assert known["driftline_last_run_timestamp_seconds", SCHEDULED_TRAINING, "completed"] == ended.timestamp()
    assert known["driftline_last_run_timestamp_seconds", SCHEDULED_TRAINING, "failed"] == ended.timestamp() + 3600
    assert known["driftline_last_run_timestamp_seconds", MONITORING, "cancelled"] == ended.timestamp()


@pytest.mark.proof
def test_the_exit_code_is_1_in_every_form(deployed, dead, capsys):
    import typer

    for form in ({}, {"json": True}, {"prometheus": True}):
        with pytest.raises(typer.Exit) as end:
            command(home=deployed, **form)
        assert end.value.exit_code == 1
    with pytest.raises(UserError, match="exclude each other"):
        command(json=True, prometheus=True, home=deployed)
    said = capsys.readouterr().out
    whole = json.loads(said[said.index("{") : said.rindex("}\n# HELP") + 1])
    assert whole["runner"]["alive"] is False and whole["problems"]


@pytest.mark.slow
def test_what_the_server_knows_of_runs_runners_and_workers(deployed, api, monkeypatch):
    named = Address(api, "a test")
    monkeypatch.setattr(prefect_address, "named", lambda: named)
    with get_client(sync_client=True) as client, holding(deployed.serve_lock, "process 7"):
        flow = client.create_flow_from_name(SCHEDULED_TRAINING)
        ours = client.create_deployment(flow, f"training-{deployed.key}", tags=[deployed.tag])
        now = datetime.now(UTC)
        old, soon = now - timedelta(minutes=40), now + timedelta(minutes=5)
        assert status(deployed).problems == ()
        for state in (
            Scheduled(scheduled_time=soon),
            Running(),
            Completed(),
            AwaitingConcurrencySlot(scheduled_time=old),
        ):
            run = client.create_flow_run_from_deployment(ours, tags=[deployed.tag])
            client.set_flow_run_state(run.id, state, force=True)
        found = status(deployed)
        assert found.problems == () and found.server.problem is None
        assert [run.flow for run in found.runs.running] == [SCHEDULED_TRAINING]
        late = client.create_flow_run_from_deployment(ours, tags=[deployed.tag], state=Scheduled(scheduled_time=old))
        theirs = client.create_deployment(flow, "training-of-another", tags=["checkout:0"])
        other = client.create_flow_run_from_deployment(theirs, state=Scheduled(scheduled_time=old))
        assert other.state.type is StateType.SCHEDULED
        (problem,) = status(deployed).problems
        assert problem.startswith(f"{late.name} was due at") and problem.endswith("and has not begun")
        client.delete_deployment(ours)
        client.delete_deployment(theirs)
    with get_client(sync_client=True) as client:
        assert "nothing is there to start runs: `driftline serve`" in status(deployed).problems
        pool = client.create_work_pool(WorkPoolCreate(name=f"of-{deployed.key}", type="process"))
        client.create_deployment(flow, f"training-{deployed.key}", tags=[deployed.tag], work_pool_name=pool.name)
        assert f"nothing is there to start runs: `prefect worker start --pool {pool.name}`" in status(deployed).problems
        client.send_worker_heartbeat(pool.name, "w1", heartbeat_interval_seconds=30)
        assert status(deployed).runner.about == f"work pool {pool.name}: w1"
        client.delete_work_pool(pool.name)
        assert "nothing is there to start runs" in health.status(deployed).runner.about
