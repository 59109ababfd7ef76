"""The flow ``backtest``: see ``driftline backtest``."""

from __future__ import annotations

import hashlib
import logging
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.backtest import history, page
from flows.backtest.history import History
from flows.backtest.replay import ResultCache, Step, replay_policy
from flows.machine.git import git
from flows.machine.home import HERE, Home
from flows.machine.liveness import liveness_lock
from flows.machine.locks import Overlap
from flows.notify.markdown import escaped, escaped_lines
from flows.parameters import POLICY, REPLAY, WINDOW, Labels, Policy, Refits, Replay, Window
from flows.runs import ending, workspace
from flows.runs.names import run_name
from flows.scheduled_training import exclusive
from flows.windows import ranges
from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.files import replacing, write_json
from tasks.dataset import layout
from tasks.gate import Rule

log = logging.getLogger(__name__)

PAGE = paths.REPORTS / "backtest.html"
HOW = {
    "probe": "A logistic regression on the frozen encoder's embeddings stands in for the refits.",
    "full": "Every refit is the pipeline's own training.",
    "late": "A window's labels come after its decision and before the refit.",
    "at_once": "A window's labels are there when it closes.",
}


@flow(name="backtest", flow_run_name=lambda: run_name("backtest"), persist_result=False)
@ending.errors_as_state
def backtest(
    repository: str | None = None,
    window: Window = WINDOW,
    policy: Policy = POLICY,
    replay: Replay = REPLAY,
    overlap: Overlap = "wait",
    output: str | None = None,
) -> State[Any]:
    """Replay policies over the history of the repository, and write the page.

    What was finished lies in the deployment's folder, under ``backtests``, by the rows, the parameters and the code
    that it came of.

    Args:
        repository: The repository's folder. Default: the one this code lies in.
        window: From where to where, and how long a window is.
        policy: What the policies look at, and the gate's rule. Its `refit_on` and `action` do not count.
        replay: Which policies, and how.
        overlap: When another run of the repository is at work: wait for it, or skip this run.
        output: The page. Default: reports/backtest.html of the repository.
    """
    home, span = Home.of(repository), (history.optional_date(window.since), history.optional_date(window.until))
    with liveness_lock(home), exclusive(home, run_name("backtest"), overlap):
        commit, work = workspace.pinned(home, replay.revision), home.folder / "backtests"
        clone = workspace.clone(home, commit, work / "history", workspace.shared_cache(home))
        rows = history.read(home, clone, span[1])
        windows = history.closed_windows(rows, *span, window.days)
        history.refuse_one_class(rows, windows[0])
        policies = [policy.model_copy(update={"refit_on": one}) for one in dict.fromkeys(replay.policies)]
        replay = replay.model_copy(update={"refit": refits(replay, clone / paths.PARAMS)})
        cache = _cached_models(home, commit, rows, clone, work, replay, policy.rule)
        steps = _replayed(cache, windows, policies, replay.labels)
        shutil.rmtree(work / "models", ignore_errors=True)
    training_rows = len(rows.before(windows[0].since))
    found = page.Replayed(
        home.name, f"{HOW[replay.refit]} {HOW[replay.labels]}", policies, steps, training_rows, replay.prices
    )
    return _publish(found, Path(output).absolute() if output else home.origin / PAGE, cache.computed)


def refits(replay: Replay, file: Path) -> Refits:
    """How the history is refitted by this params.yaml: a probe needs a pretrained encoder. UserError: its task
    cannot be replayed."""
    general = params.general(file)
    if general.task == "multi_label":
        raise UserError(f"a history of task: {general.task} is not replayed yet: compare its runs instead")
    if replay.refit != "auto":
        return replay.refit
    return "probe" if general.model.family is None else "full"


def _cached_models(
    home: Home, commit: str, rows: History, clone: Path, work: Path, replay: Replay, rule: Rule
) -> ResultCache:
    """The models, with what is known of them already."""
    folder = work / _key(home, commit, clone, replay.refit, replay.labels, rule)
    log.info(f"{len(rows.rows):,} rows of history; finished results are cached in {folder}")
    if replay.refit == "full":
        from flows.backtest.full import Pipelines

        return ResultCache(Pipelines(home, commit, rows, work / "models", replay.labels, rule), folder)
    from flows.backtest.probe import Probes, Settings, embedded

    settings = Settings.of(clone / paths.PARAMS, rule)
    return ResultCache(Probes(rows, settings, embedded(rows, settings, work), replay.labels), folder)


def _key(home: Home, commit: str, clone: Path, *how: str) -> str:
    """A name for what the same rows, parameters, code and settings give.

    A probe runs the code beside this file, a full refit the commit's.
    """
    code = sorted(file for name in ("tasks", "flows/backtest") for file in (HERE / name).rglob("*.py"))
    digest = hashlib.sha256("\0".join([*how, git(home.origin, "rev-parse", f"{commit}:./tasks")]).encode())
    for file in (clone / paths.PARAMS, clone / layout.window("reference").validated, *code):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _replayed(
    cache: ResultCache, windows: list[ranges.TimeRange], policies: list[Policy], labels: Labels
) -> dict[str, list[Step]]:
    """Every policy, as a task of its name."""

    @task(task_run_name="{policy}", cache_policy=NO_CACHE, persist_result=False)
    def replay(policy: str, place: int) -> list[Step]:
        return replay_policy(cache, windows, policies[place], labels)

    return {policy.refit_on: replay(policy.refit_on, place) for place, policy in enumerate(policies)}


def _publish(found: page.Replayed, target: Path, made: int) -> State[Any]:
    """The page, its figures beside it, and the artifact."""
    with replacing(target) as part:
        part.write_text(page.page(found), encoding="utf-8")
    windows = {policy: _as_json(of) for policy, of in found.steps.items()}
    policies = {one.policy: asdict(one) for one in found.summaries}
    table, link = page.markdown(found), f"the page, on {escaped(platform.node())}: `{escaped(str(target))}`"
    figures = {"how": found.how, "table": table, "policies": policies, "windows": windows}
    if found.prices:
        figures |= {"prices": found.prices.model_dump(), "advice": page.advice(found)}
    write_json(figures, target.with_suffix(".json"))
    text = f"{table}\n\n{escaped_lines(found.how)}\n\n{link}"
    create_markdown_artifact(key="backtest", markdown=text, description=escaped(found.title))
    cached = f"{made} results were computed, the others were cached"
    lines = [table, page.advice(found), cached, f"open      {target.as_uri()}"]
    return Completed(message="\n".join(filter(None, lines)))


def _as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The windows of one policy, for other programs."""
    return [
        {
            "since": step.window.since.isoformat(),
            "until": step.window.until.isoformat(),
            "trained_until": step.trained_until.isoformat(),
            "accuracy": step.result.accuracy,
            "interval": step.result.interval,
            **{key: value for key, value in asdict(step.result).items() if key != "right"},
            "verdict": step.verdict.word,
            "alarm": step.verdict.alarm,
            "decision": asdict(step.decision),
            "refit": asdict(step.refit) if step.refit else None,
        }
        for step in steps
    ]
