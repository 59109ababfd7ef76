"""Looking at a deployed repository, and what is wrong with it: ``driftline status``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from flows.champion import registry
from flows.champion.code_age import code_age
from flows.champion.training_window import Trained
from flows.machine import prefect_address
from flows.machine.home import Home
from flows.machine.locks import is_held
from flows.machine.server import client
from flows.monitoring import labelling, watch
from flows.notify import outbox
from flows.pipeline.disk import free
from flows.reaper import FLOWS, UNDER_WAY, due_at, flow_runs
from flows.runs.record import read_record, records
from flows.runs.run_record import OVERDUE, RunRecord
from flows.schedule.by_hand import Declared
from flows.schedule.retired import deployments_of
from flows.status.model import Champion, Labels, LastRun, Outcome, Run, Runner, Runs, Server, Status, Windows
from flows.tracking import queue
from tasks.core.errors import UserError

LOOKED_AT = 200
"""So many records, the newest, for the last run of each flow."""
WAITING = ("Scheduled", "Late")  # and not for a free place, or for its next try


def status(home: Home, now: datetime | None = None) -> Status:
    """Look at everything once; it starts nothing. What cannot be known is a problem."""
    at = now or datetime.now(UTC)
    server, runner, runs = _ask(home, at)
    problems = [server.problem] if server.problem else []
    if not runner.alive:
        problems.append(runner.about)
    for run in runs.overdue if runs else ():
        problems.append(f"{run.name} was due at {run.at:%Y-%m-%d %H:%M} UTC and has not begun")
    kept = list(outbox.waiting(home).values())
    if kept:
        to, since = ", ".join(sorted({one.block for one in kept})), kept[0].since
        problems.append(f"{len(kept)} notifications could not be sent to {to} since {since:%Y-%m-%d %H:%M} UTC")
    days = None
    try:
        days = Declared.of(home).window.days
        if (unsent := len(queue.waiting(home))) and (uri := queue.named(home)):
            problems.append(f"{unsent} runs and promotions wait for MLflow at {uri}; the next run sends them")
    except UserError as error:  # `serve` would refuse it, too
        problems.append(str(error))
    return Status(
        repository=home.name,
        checkout=home.checkout.id,
        folder=str(home.origin),
        at=at.replace(microsecond=0),
        server=server,
        runner=runner,
        runs=runs,
        windows=_windows(home, days, at),
        champion=_champion(home),
        labels=_labels(home),
        last_runs=tuple(_last_runs(home)),
        notifications_waiting=len(kept),
        disk_free_bytes=free(home.origin),
        problems=tuple(problems),
    )


def _ask(home: Home, at: datetime) -> tuple[Server, Runner, Runs | None]:
    address = prefect_address.found()
    try:
        with client() as server:
            runs = _runs(server, home, at)
            runner = _runner(home, server, list(deployments_of(server, home)))
        return Server(api=address.api, named_by=address.named_by, problem=None), runner, runs
    except UserError as error:
        return Server(api=address.api, named_by=address.named_by, problem=str(error)), _runner(home, None, []), None


def _runs(server: SyncPrefectClient, home: Home, at: datetime) -> Runs:
    flows = {flow.id: flow.name for flow in server.read_flows()}

    def as_run(one: FlowRun, when: datetime | None) -> Run:
        return Run(name=one.name, flow=flows.get(one.flow_id, ""), state=str(one.state_name), at=when or at)

    running = list(flow_runs(server, home, UNDER_WAY))
    due = list(flow_runs(server, home, [StateType.SCHEDULED]))
    first = {one.deployment_id: one for one in reversed(due)}
    late = [one for one in due if one.state_name in WAITING and at - due_at(one) > OVERDUE]
    return Runs(
        running=tuple(as_run(one, one.start_time) for one in running),
        scheduled=tuple(as_run(one, due_at(one)) for one in first.values()),
        overdue=tuple(as_run(one, due_at(one)) for one in late),
    )


def _runner(home: Home, server: SyncPrefectClient | None, deployments: Sequence[DeploymentResponse]) -> Runner:
    """By the lock of ``driftline serve`` on this machine; else by what the server hears of workers and runners."""
    if is_held(home.serve_lock):
        holder = home.serve_lock.with_suffix(".holder")
        return Runner(alive=True, about=f"driftline serve, {holder.read_text(encoding='utf-8')}")
    pools = sorted({one.work_pool_name for one in deployments if one.work_pool_name})
    for pool in pools:
        if server and (workers := _workers(server, pool)):
            return Runner(alive=True, about=f"work pool {pool}: {', '.join(workers)}")
    if not home.serve_lock.exists() and any(not one.work_pool_name and one.status == "READY" for one in deployments):
        return Runner(alive=True, about="on another machine")
    start = f"prefect worker start --pool {pools[0]}" if pools else "driftline serve"
    return Runner(alive=False, about=f"nothing is there to start runs: `{start}`")


def _workers(server: SyncPrefectClient, pool: str) -> list[str]:
    try:
        found = server.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return []
    return [worker.name for worker in found if worker.status is WorkerStatus.ONLINE]


def _windows(home: Home, days: float | None, at: datetime) -> Windows | None:
    try:
        planned = watch.plan(home, None, None, days)
    except UserError:  # no champion yet, or windows that nobody can continue
        return None
    waiting = list(islice(watch.waiting(home, planned, days, at), watch.MOST))
    return Windows(
        watched_until=planned.before.seen_until if planned.before else None,
        next=planned.window,
        waiting=len(waiting),
        oldest_closed=waiting[0].until if waiting else None,
        without_rows=len(watch.without_rows(home)),
    )


def _champion(home: Home) -> Champion | None:
    found = registry.champion(home.origin)
    if found is None:
        return None
    code = code_age(home, found.commit)
    return Champion(
        version=found.name,
        commit=found.commit,
        trained_until=Trained.at(home, found.commit).window.until,
        release=code.release,
        committed=code.committed,
        changed=len(code.changed),
    )


def _labels(home: Home) -> Labels:
    counts = [rows for rows in labelling.open_rows(home).values() if rows]
    return Labels(windows=len(counts), rows=sum(counts))


def _last_runs(home: Home) -> Iterator[LastRun]:
    found: set[tuple[str, Outcome]] = set()
    for past in records(home.origin)[:LOOKED_AT]:
        run = read_record(home.origin, past)
        key = run.flow, outcome_of(run)
        if run.flow in FLOWS and key not in found:
            found.add(key)
            yield LastRun(flow=run.flow, outcome=key[1], name=run.name, ended=run.ended)


def outcome_of(run: RunRecord) -> Outcome:
    """How a run ended, in a word."""
    if run.completed:
        return "completed"
    return "cancelled" if run.outcome.startswith("cancelled") else "failed"
