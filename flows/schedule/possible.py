"""Whether this machine can do what ``prefect.yaml`` asks for: known when ``driftline serve`` starts, not at night."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.exceptions import DvcException
from dvc.repo import Repo
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from flows.errors import GitFailed, UnknownStage
from flows.machine.git import address, git, succeeds, typed
from flows.machine.home import Home
from flows.notify import notifications
from flows.parameters import Limits, Policy, Publish
from flows.pipeline.graph import Dag
from flows.runs import workspace
from flows.runs.publish import refuse_secrets
from flows.schedule.prefect_yaml import Deployment
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.modelling.checkpoints import versions

log = logging.getLogger(__name__)

REACH_SECONDS = 30.0
PIPELINE = "dvc.yaml"


def require_possible(home: Home, given: Section, where: str) -> None:
    """UserError where a deployment's parameters name a remote, revision or stage that is not there, or a revision whose
    large files or packages this machine lacks."""
    publish, limits = getattr(given, "publish", Publish()), getattr(given, "limits", Limits())
    if publish.upstream:
        address(home.origin, publish.upstream, f"{where}.publish.upstream")
    if publish.upstream or publish.mlflow:
        refuse_secrets(home, publish.upstream, publish.mlflow)
    for key, revision in _revisions(given):
        commit = _commit(home, revision, f"{where}.{key}")
        _require_packages(home, commit, limits, f"{where}.{key}: {revision}")
    _require_stages(home, given, limits, where)


def _revisions(given: Section) -> Iterator[tuple[str, str]]:
    if revision := getattr(given, "revision", None):
        yield "revision", revision
    policy = getattr(given, "policy", None)
    if isinstance(policy, Policy) and policy.action != "nothing":
        yield "policy.revision", policy.revision


def _commit(home: Home, revision: str, where: str) -> str:
    try:
        commit = git(home.origin, "rev-parse", "--verify", "--quiet", f"{typed(revision, where)}^{{commit}}")
    except GitFailed:
        known = git(home.origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
        branches = f"its branches are {', '.join(known)}" if known else "it has no commit yet: make one"
        raise UserError(f"{where}: {home.origin} has no branch, tag or commit {revision}; {branches}") from None
    if not succeeds(home.origin, "cat-file", "-e", f"{commit}:./{PIPELINE}"):
        raise UserError(f"{where}: {revision} holds no {PIPELINE}, which says what is run: commit it there")
    workspace.require_large_files(home.origin, commit)
    return commit


def _require_packages(home: Home, commit: str, limits: Limits, where: str) -> None:
    if not succeeds(home.origin, "cat-file", "-e", f"{commit}:./{paths.ENVIRONMENT}"):
        return
    with TemporaryDirectory() as made:
        (Path(made) / paths.ENVIRONMENT).write_text(git(home.origin, "show", f"{commit}:./{paths.ENVIRONMENT}"))
        try:
            versions.refuse_differing(Path(made), limits.other_versions, "limits.other_versions")
        except UserError as differing:
            raise UserError(f"{where}: {differing}") from None


def _require_stages(home: Home, given: Section, limits: Limits, where: str) -> None:
    named = {
        f"{where}.stages": getattr(given, "stages", None) or [],
        f"{where}.limits.stage_minutes": [name for name in limits.stage_minutes if name != "*"],
    }
    if not any(named.values()):
        return
    with chdir(home.origin):  # stages are named as from there
        dag = Dag()
    for key, stages in named.items():
        try:
            dag.order(stages)
        except UnknownStage as unknown:
            raise UserError(f"{key}: {unknown}") from None


def require_data_remote(home: Home) -> None:
    """UserError where DVC's default remote is one that its configuration does not hold, or there is no DVC at all."""
    try:
        with Repo(str(home.origin)) as repo:
            name, known = repo.config["core"].get("remote"), repo.config["remote"]
    except DvcException as error:
        raise UserError(f"{home.origin} cannot be served: {error}") from None
    if name and name not in known:
        raise UserError(
            f".dvc/config: core.remote is {name}, and the remotes are {', '.join(known) or 'none'}: name one of them"
        )


def require_blocks(deployments: Iterable[Deployment], file: Path) -> None:
    """UserError where a notification block is not saved on the server, which this process is a client of."""
    named = {block: where for one in deployments for where, block in _blocks(one)}
    for block, where in named.items():
        try:
            notifications.load(block)
        except (UserError, ValueError) as error:  # Prefect's word for a block that is not there
            why = str(error).splitlines()[0].rstrip(".")
            raise UserError(f"{file}: {where}: {why}: save it on the server, or correct the name") from None
    if not named:
        log.warning(
            f"nobody is notified: {file.name} names no notification block (publish.notify), so a failure or drift "
            "stands on Prefect's page alone"
        )


def _blocks(one: Deployment) -> Iterator[tuple[str, str]]:
    """Every notification block that a deployment or a schedule of it names, and where."""
    named = [(f"deployments.{one.name}.parameters", one.parameters)]
    named += [(f"deployments.{one.name}.schedules.{n}.parameters", s.parameters) for n, s in enumerate(one.schedules)]
    for where, given in named:
        publish = given.get("publish")
        groups = [(f"{where}.publish.notify", publish.get("notify") if isinstance(publish, Mapping) else None)]
        for key, block in (*groups, (f"{where}.notify", given.get("notify"))):
            if block:
                yield key, str(block)


def require_no_pool(client: SyncPrefectClient, names: Iterable[str]) -> None:
    """UserError where a deployment is registered for a work pool: its worker and this process would both run it."""
    for name in names:
        with suppress(ObjectNotFound):
            if pool := client.read_deployment_by_name(name).work_pool_name:
                raise UserError(
                    f"{name} is registered for the work pool {pool}, whose worker would run it too: "
                    f"`prefect deployment delete {name}`, or run a worker in the place of `driftline serve`"
                )


def warn_of_unreachable(home: Home, deployments: Iterable[Deployment]) -> None:
    """Say which git remotes cannot be reached now: a machine may start before its network does."""
    publish = [one.parameters.get("publish") for one in deployments]
    for remote in sorted(
        {str(given["upstream"]) for given in publish if isinstance(given, Mapping) and given.get("upstream")}
    ):
        try:
            git(home.origin, "ls-remote", "--quiet", remote, "HEAD", seconds=REACH_SECONDS)
        except GitFailed as error:
            log.warning(f"records stay here until the git remote {remote} can be reached: {error}")
