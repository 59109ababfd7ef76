"""The training that a schedule starts: it stands alone, in a clone of its own, and leaves a record.

It starts from the deployed repository at one commit, lands what is new, brings the pipeline up to date and pushes a DVC
experiment under the run's name to that repository, whose working tree it never touches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.champion import model_table
from flows.champion.manifest import verify_warm_start
from flows.champion.training_window import Trained, windows_to_train
from flows.machine import gpu
from flows.machine.home import Home
from flows.machine.liveness import liveness_lock
from flows.machine.locks import Overlap, holding
from flows.monitoring import labelling
from flows.notify.artifacts import publish as show
from flows.parameters import LIMITS, PUBLISH, REQUEST, Limits, Publish, Request, WindowSettings
from flows.pipeline.graph import Dag
from flows.pipeline.result import Result
from flows.runs import ending, prune, record, workspace
from flows.runs.attempt import attempt, this_run
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.renamed import SCHEDULED_TRAINING
from flows.training import as_task, in_order
from flows.windows.ranges import set_windows
from tasks.core import paths

log = logging.getLogger(__name__)

FLOW = SCHEDULED_TRAINING
MODEL = ["evaluate"]  # and what it reads: the window after a moved reference may have no rows yet


@ending.deployed(FLOW)
def scheduled_training(
    repository: str | None = None,
    revision: str = "HEAD",
    stages: list[str] | None = None,
    limits: Limits = LIMITS,
    publish: Publish = PUBLISH,
    request: Request = REQUEST,
) -> State[Any]:
    """Land what is new, bring the pipeline up to date in a clone of its own, and leave a record.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        revision: The branch, tag or commit to train from. Default: what is checked out.
        stages: Only these stages and what they need. Default: all; where the windows moved on, those of the model.
        limits: What the run may use of its machine.
        publish: Who else hears of the run.
        request: What another run asks for; left empty by a schedule.
    """
    home = Home.of(repository)
    if well := ending.ended_well():
        return well
    refuse_secrets(home, publish.upstream, publish.mlflow)
    info = this_run(home, FLOW, revision, request.because)

    with liveness_lock(home), exclusive(home, info.name, limits.overlap):
        commit = workspace.pinned(home, revision)
        windows = request.windows or _windows(home, commit)
        only = stages or (MODEL if windows else None)

        def train(folder: Path) -> Iterator[Result]:
            return _train(home, folder, only, windows, limits.stage_minutes)

        done = attempt(home, info, commit, train, other_versions=limits.other_versions)
        before = record.latest(home.origin, flow=FLOW)
        other_models = model_table.reference_models(
            home, *((before.commit, f"last run, {before.name}") if before else (None, ""))
        )
        show(done.run.stages, done.folder, other_models)
        publish_record(home, done.folder, done.experiment, publish.upstream, publish.mlflow)
        prune.clones(home, limits.keep_clones)
        prune.checkpoints(home)
    done.raise_error()
    how = "Unchanged" if done.run.unchanged else None
    return Completed(name=how, message=f"recorded as {info.name}: {done.run.in_words()}")


@contextmanager
def exclusive(home: Home, name: str, overlap: Overlap) -> Iterator[None]:
    """The checkout's lock and, where the run uses a GPU, that GPU's; always in this order."""
    with ExitStack() as locks:
        locks.enter_context(holding(home.workspace_lock, name, overlap))
        if used := gpu.lock():
            locks.enter_context(holding(used, name, overlap))
        yield


def _windows(home: Home, commit: str) -> WindowSettings | None:
    windows = windows_to_train(home, commit)
    if windows:
        log.info(f"params.yaml says {Trained.at(home, commit)}, and the champion has learnt from more: as it did")
    return windows


def _train(
    home: Home,
    folder: Path,
    stages: list[str] | None,
    windows: WindowSettings | None,
    minutes: Mapping[str, float],
) -> Iterator[Result]:
    before = record.latest(home.origin, flow=FLOW)
    if before:
        log.info(f"continues from what {before.name} made")
        workspace.take_over(folder, before)
    if windows:
        log.info("; ".join(set_windows(folder / paths.PARAMS, windows)) or "the windows are set")
    labelling.copy_labels(home, folder, paths.WINDOWS)
    workspace.land(home, folder)
    workspace.materialise(folder)
    verify_warm_start(folder)
    dag = Dag()
    order = dag.order(stages)
    try:
        yield from in_order(dag, order, as_task(dag, minutes))
    finally:
        workspace.forget_other_stages(folder, order)
