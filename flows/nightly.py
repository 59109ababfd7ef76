"""The training that a schedule starts: it stands alone, in a clone of its own, and leaves a record.

It starts from the deployed repository at one commit, lands what is new, brings the pipeline up to date and pushes a DVC
experiment under the run's name to that repository, whose working tree it never touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows import prune, record, workspace
from flows.alive import alive
from flows.artifacts import publish
from flows.dag import Dag, UnknownStage
from flows.disk import TooLittleSpace
from flows.git import GitFailed
from flows.home import CLONES_KEPT, Home, gpu_lock
from flows.locks import Busy, Overlap, holding
from flows.publish import NotPublished, publish_record
from flows.stage import Result, StageFailed
from flows.training import as_task, in_order
from tasks.errors import Refused

FLOW = "nightly-training"
GPU = Path("/dev/nvidiactl")


def run_name(kind: str = "training") -> str:
    """``training-20261123-183000-3f2a``: what was run, when it was due, and the beginning of Prefect's id."""
    due, key = runtime.flow_run.scheduled_start_time, runtime.flow_run.id
    return f"{kind}-{due:%Y%m%d-%H%M%S}-{str(key)[:4]}"


@flow(name=FLOW, flow_run_name=run_name, persist_result=False)
def nightly(
    repository: str | None = None,
    revision: str = "HEAD",
    stages: list[str] | None = None,
    overlap: Overlap = "wait",
    stage_minutes: dict[str, float] | None = None,
    upstream: str | None = None,
    keep_clones: int = CLONES_KEPT,
) -> State[Any]:
    """Train from ``revision`` of ``repository`` (by default the one this code lies in) in a clone, and record it.

    While another run of the repository is at work, ``overlap`` says whether to ``wait`` or ``skip``. ``stage_minutes``
    limits a stage's time (``{"finetune": 90, "*": 20}``). ``upstream`` is a git remote of the repository that gets the
    record too. The newest ``keep_clones`` clones stay, for a look at their reports.
    """
    log = get_run_logger()
    name = run_name()
    try:
        home = Home.of(repository)
        with alive(home, str(runtime.flow_run.id)), _alone(home, name, overlap, log.info):
            results, saved, outcome = attempt(home, name, revision, stages, stage_minutes, log.info)
            publish(results, home.clones / name)
            publish_record(home, home.clones / name, saved, upstream, log.info)
            prune.clones(home, keep_clones)
    except Busy as busy:
        return Completed(name="Skipped", message=f"skipped: {busy}")
    except (GitFailed, NotPublished, Refused) as failure:
        return Failed(message=str(failure))
    return Completed(message=f"recorded as {saved.name}") if outcome == "completed" else Failed(message=outcome)


@contextmanager
def _alone(home: Home, name: str, overlap: Overlap, say: Callable[[str], None]) -> Iterator[None]:
    """The repository's lock and, on a machine with a GPU, the GPU's; always in this order."""
    with ExitStack() as locks:
        locks.enter_context(holding(home.workspace_lock, name, overlap, say))
        if GPU.exists():
            locks.enter_context(holding(gpu_lock(), name, overlap, say))
        yield


def attempt(
    home: Home,
    name: str,
    revision: str,
    stages: list[str] | None,
    minutes: dict[str, float] | None,
    say: Callable[[str], None],
) -> tuple[list[Result], record.Record, str]:
    """Run in a new clone and save the record there: what the stages did, the record, and how it ended."""
    commit, folder, started = workspace.pinned(home, revision), home.clones / name, record.now()
    say(f"{name} runs at commit {commit[:12]} in {folder}")
    workspace.clone(home, commit, folder, workspace.shared_cache(home))
    results: list[Result] = []
    outcome = "completed"
    with chdir(folder):
        try:
            _run(home, folder, stages, minutes, results, say)
        except (StageFailed, TooLittleSpace, UnknownStage) as failure:
            outcome = f"failed: {failure}"
    times = {"outcome": outcome, "started": started, "ended": record.now()}
    said = record.describe(folder, name, FLOW, results, **times, revision=revision, repository=str(home.origin))
    return results, record.save(folder, said), outcome


def _run(
    home: Home,
    folder: Path,
    stages: list[str] | None,
    minutes: dict[str, float] | None,
    results: list[Result],
    say: Callable[[str], None],
) -> None:
    before = record.latest(home.origin, flow=FLOW)
    if before:
        say(f"continues from what {before.name} made")
        workspace.take(folder, before)
    workspace.land(home, folder, say)
    workspace.materialise(folder)
    dag = Dag()
    for result in in_order(dag, stages, as_task(dag, minutes)):
        results.append(result)  # one by one: what was done before a failure belongs to the record
