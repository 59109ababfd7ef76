"""The notification blocks that prefect.yaml names: what a backup takes along, and brings to another server."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from prefect.blocks.core import Block, UnknownBlockType
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel

from flows.machine.home import Home
from flows.schedule.prefect_yaml import FILE, read
from tasks.core.errors import UserError

OWN = "notification_blocks"
"""A module of yours beside flows/, with block classes that Prefect has not; a process knows only those it imported."""


class SavedBlock(BaseModel):
    """A block of Prefect's, with its secrets."""

    kind: str
    name: str
    values: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def load_own() -> None:
    """Let this process know the team's own classes."""
    if find_spec(OWN):
        import_module(OWN)


def named(home: Home) -> set[str]:
    """``slack-webhook/team``, and whatever else the deployments of the repository notify."""
    file = home.origin / FILE
    given = [one.parameters for one in read(file)] if file.exists() else []
    groups = [parameters.get("publish") for parameters in given]
    found = [each.get("notify") for each in (*given, *groups) if isinstance(each, dict)]
    return {name for name in found if isinstance(name, str)}


def saved(home: Home) -> Iterator[SavedBlock]:
    """Those of the server that Prefect's settings name; one that it has not is left out."""
    with get_client(sync_client=True) as client:
        for reference in sorted(named(home)):
            kind, _, name = reference.partition("/")
            try:
                found = client.read_block_document_by_name(name, kind, include_secrets=True)
            except ObjectNotFound:
                continue
            yield SavedBlock(kind=kind, name=name, values=found.data)


def bring(block: SavedBlock) -> bool:
    """Save it on the server that Prefect's settings name: whether it was not there. UserError: of an unknown class."""
    load_own()
    with get_client(sync_client=True) as client:
        try:
            client.read_block_document_by_name(block.name, block.kind)
        except ObjectNotFound:
            pass
        else:
            return False
    try:
        kind = Block.get_block_class_from_key(block.kind)
    except UnknownBlockType:
        raise UserError(f"{block} is of a class that Prefect does not know here: it belongs in {OWN}.py") from None
    kind.model_validate(block.values).save(block.name)
    return True
