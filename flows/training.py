"""Run the pipeline as a Prefect flow: ``driftline train [STAGE ...]``.

Runs what is stale, in DVC's order, in this working tree, and says for each stage whether it ran, was restored from the
cache or is unchanged, and why. With stages named, only those and what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State

from flows.champion import model_table
from flows.champion.manifest import verify_warm_start
from flows.errors import StageFailed
from flows.machine.home import Home
from flows.notify.artifacts import publish
from flows.pipeline.graph import Dag
from flows.pipeline.result import Result
from flows.pipeline.stage import bring_up_to_date
from flows.runs import ending
from flows.runs.names import run_name
from tasks.core.errors import UserError


@flow(name="training", flow_run_name=lambda: run_name("by-hand"), persist_result=False)
@ending.errors_as_state
def training(stages: list[str] | None = None) -> list[Result] | State[Any]:
    """Bring the pipeline up to date in this working tree.

    Args:
        stages: Only these stages and what they need. Default: all.
    """
    dag = Dag()
    verify_warm_start(Path())
    results = list(in_order(dag, dag.order(stages), as_task(dag)))
    publish(results, Path(), _reference_models())
    return results


def _reference_models() -> list[model_table.Model]:
    """The models of the last commit and of the champion; none where this is no git repository."""
    try:
        return model_table.reference_models(Home.of(Path()), "HEAD", "last commit")
    except UserError:
        return []


def as_task(dag: Dag, minutes: Mapping[str, float] | None = None) -> Callable[[str, list[str]], Result]:
    """What brings one stage up to date as a Prefect task.

    ``minutes`` limits the time of stages by their name: ``ingest@current``, ``ingest``, or ``*`` for all others.
    """
    limits = minutes or {}

    def bring(stage: str, reasons: list[str]) -> Result:
        names = (stage, stage.partition("@")[0], "*")
        limit = next((limits[name] * 60 for name in names if name in limits), None)
        state = bring_up_to_date(stage, reasons, limit, dag.size(stage), dag.cache, return_state=True)
        if state.is_failed():
            raise StageFailed(f"{stage} failed; its last output:\n{state.message}")
        return cast("Result", state.result())

    return bring


def in_order(dag: Dag, order: list[str], bring: Callable[[str, list[str]], Result]) -> Iterator[Result]:
    """Go through the stages, which are in DVC's order.

    One look at the whole finds what is stale; only what reads from a stage that did something is looked at again.
    """
    stale = dag.stale()
    touched: set[str] = set()
    for name in order:
        if touched & dag.reads_from(name):
            stale[name] = dag.stale(name).get(name, [])
        result = bring(name, stale.get(name, []))
        if result.outcome != "unchanged":
            touched.add(name)
        yield result


if __name__ == "__main__":
    from flows.cli.operations import train
    from tasks.core.cli import run

    run(train)
