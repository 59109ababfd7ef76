"""Deployments on the server that nothing declares any more: earlier releases' names, and what prefect.yaml dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse

from flows.machine.home import Home
from flows.runs.renamed import DEPLOYMENTS

PAGE = 200
Name = tuple[str, str]
"""Flow and deployment."""


def retire(client: SyncPrefectClient, home: Home, declared: Collection[Name]) -> Iterator[str]:
    """Delete the deployments of the repository that are not declared, with their scheduled runs: which, in words.

    Those of a work pool are left alone, but for the names of earlier releases: whoever deployed the others may want
    them.
    """
    flows = {flow.id: flow.name for flow in client.read_flows()}
    for one in list(_all(client)):
        name = (flows.get(one.flow_id, ""), one.name)
        old = name in DEPLOYMENTS
        if name in declared or not _is_of(home, one, old) or (one.work_pool_name and not old):
            continue
        client.delete_deployment(one.id)
        why = "of an earlier release" if old else "no longer in prefect.yaml"
        yield f"deleted the deployment {'/'.join(name)}, {why}"


def _all(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    found = client.read_deployments(limit=PAGE)
    yield from found
    place = PAGE
    while len(found) == PAGE:
        found = client.read_deployments(limit=PAGE, offset=place)
        place += PAGE
        yield from found


def _is_of(home: Home, one: DeploymentResponse, old: bool) -> bool:
    """Whether it names the repository; an earlier release's that names none is of the repository of this code."""
    named = (one.parameters or {}).get("repository")
    return (named is not None or old) and home.is_named(named)
