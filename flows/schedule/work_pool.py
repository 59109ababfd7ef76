"""Register what ``prefect.yaml`` declares for a work pool: ``driftline deploy``.

``prefect deploy`` does it, from a copy of the file in which each deployment has this checkout's name, tag and path. By
itself it would give two checkouts the same names, and the second would overwrite the first.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from ruamel.yaml import YAML

from flows.errors import FlowError
from flows.machine.home import HERE, Home
from flows.machine.server import client
from flows.schedule.deployments import declared
from flows.schedule.edits import note, overwritten
from flows.schedule.possible import require_blocks
from flows.schedule.prefect_yaml import FILE, Deployment, read, values
from flows.schedule.retired import retire
from tasks.core.errors import UserError


def deploy(home: Home) -> list[str]:
    """Register all of it, and delete what is no longer declared: which, in words.

    UserError: ``prefect.yaml`` is refused, or no server answers; FlowError: Prefect refuses it, with its words.
    """
    known = declared(home)
    with client() as server, tempfile.TemporaryDirectory() as folder:
        asked = read(home.origin / FILE)
        require_pools(server, asked, home.origin / FILE)
        require_blocks(asked, home.origin / FILE)
        lost = list(overwritten(server, home, known))
        file = Path(folder, FILE.name)
        YAML(typ="safe").dump(_ours(home, known), file)
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FlowError(f"`prefect deploy` refused {home.origin / FILE}: {(done.stderr or done.stdout).strip()}")
        names = [(str(one.flow_name), one.name) for one in known]
        note(home, known)
        return lost + [f"registered {'/'.join(name)}" for name in names] + list(retire(server, home, names, pool=True))


def require_pools(server: SyncPrefectClient, asked: Iterable[Deployment], file: Path) -> None:
    """UserError where a deployment names no work pool, or one that the server does not have."""
    for one in asked:
        where = f"{file}: deployments.{one.name}.work_pool"
        name = one.work_pool.get("name") if isinstance(one.work_pool, Mapping) else None
        if not name:
            raise UserError(f"{where} names no work pool: write `work_pool: {{name: driftline}}`")
        if "{{" in str(name):
            continue  # a placeholder of Prefect's, which it alone understands
        try:
            server.read_work_pool(str(name))
        except ObjectNotFound:
            known = ", ".join(pool.name for pool in server.read_work_pools()) or "none"
            raise UserError(
                f"{where}: the server has no work pool {name}; its work pools are {known}: "
                f"`prefect work-pool create {name} --type process`"
            ) from None


def _ours(home: Home, known: list[Any]) -> dict[str, Any]:
    """The file's values, in which each deployment is this checkout's; placeholders are left to Prefect."""
    whole = values(home.origin / FILE)
    for given, one in zip(whole["deployments"], known, strict=True):
        given |= {"name": one.name, "description": one.description, "tags": one.tags}
        given["parameters"] = {**(given.get("parameters") or {}), **_repository(one.parameters)}
    return whole


def _repository(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name == "repository"}
