"""Deployments on the server that nothing declares any more: earlier releases' names, and what prefect.yaml dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse

from flows.machine.home import Home
from flows.runs.renamed import DEPLOYMENTS
from flows.schedule.deployments import REPOSITORY, registered_name

PAGE = 200
Name = tuple[str, str]
"""Flow and deployment."""


def retire(client: SyncPrefectClient, home: Home, declared: Collection[Name], *, pool: bool = False) -> Iterator[str]:
    """Delete the checkout's deployments that are not declared, with their scheduled runs: which, in words.

    ``pool``: those of a work pool, which are left alone otherwise, but for the names of the first release.
    """
    for one in list(deployments_of(client, home)):
        name = (client.read_flow(one.flow_id).name, one.name)
        tagged, first = home.tag in one.tags, name in DEPLOYMENTS
        earlier = first or (name[0], registered_name(one.name, home)) in declared
        named = tagged or REPOSITORY in (one.parameters or {})
        if name in declared or not (named or earlier) or (bool(one.work_pool_name) != pool and not first):
            continue
        client.delete_deployment(one.id)
        why = "of an earlier release" if earlier and not tagged else "no longer in prefect.yaml"
        yield f"deleted the deployment {'/'.join(name)}, {why}"


def deployments_of(client: SyncPrefectClient, home: Home) -> Iterator[DeploymentResponse]:
    """Every deployment of the checkout on the server."""
    return (one for one in _all(client) if _is_of(home, one))


def _all(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    found = client.read_deployments(limit=PAGE)
    yield from found
    place = PAGE
    while len(found) == PAGE:
        found = client.read_deployments(limit=PAGE, offset=place)
        place += PAGE
        yield from found


def _is_of(home: Home, one: DeploymentResponse) -> bool:
    """Whether it is of this checkout; one that names no repository runs the one whose code it was deployed from."""
    named = (one.parameters or {}).get(REPOSITORY)
    return home.owns(one.tags, named if named is not None else _deployed_from(one))


def _deployed_from(one: DeploymentResponse) -> object:
    """The folder that its runs begin in, as ``prefect deploy`` and the first releases left it."""
    steps = [step for each in one.pull_steps or () for step in each.values()]
    return next((step["directory"] for step in steps if "directory" in step), one.path)
