"""Run all that ``prefect.yaml`` of the repository declares: ``driftline serve``. Nothing else to set up.

Uses the Prefect server that answers at ``PREFECT_API_URL`` or runs one itself, by default at http://127.0.0.1:4200,
whose database in Prefect's home lasts. It ends on Ctrl-C or a termination signal; what it had started ends with it.
Runs that an earlier end left behind are marked crashed, deployments that are no longer declared are deleted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from flows.errors import Busy
from flows.logs import log_to_stdout
from flows.machine import prefect_profile
from flows.machine.home import HERE, Home
from flows.machine.locks import holding
from flows.machine.server import server
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

log = logging.getLogger("flows.serve")  # also when it is run as __main__
API = "PREFECT_API_URL"
REAP_SECONDS = 60.0
NAME_SECONDS = 2.0
CANCEL_SECONDS = 5.0  # how often the server is asked for runs that are due or cancelled


def keep_reaping(home: Home, over: threading.Event) -> None:
    """Look for dead runs from time to time; a server that is being restarted is asked again next time."""
    import httpx

    from flows.reaper import reap

    while not over.wait(REAP_SECONDS):
        try:
            for line in reap(home):
                log.info(line)
        except httpx.HTTPError as error:
            log.warning(f"the server does not answer: {error!r}")


def keep_naming(home: Home, over: threading.Event) -> None:
    """Name runs as they are scheduled, on the page too; a server that is being restarted is asked again next time."""
    import httpx
    from prefect.client.orchestration import get_client

    from flows.schedule.naming import name_scheduled

    while not over.wait(NAME_SECONDS):
        with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
            name_scheduled(client, home)


def serve_all(home: Home, deployments: list[RunnerDeployment]) -> None:
    """Until a signal comes. Imports Prefect only here, because it reads its settings when it is imported."""
    import prefect
    from prefect.client.orchestration import get_client

    from flows.reaper import reap
    from flows.schedule.retired import retire

    for line in reap(home, starting=timedelta(0)):  # before a concurrency limit counts them
        log.info(line)
    with get_client(sync_client=True) as client:
        for line in retire(client, home, {(str(one.flow_name), one.name) for one in deployments}):
            log.info(line)
    over = threading.Event()
    for task in (keep_reaping, keep_naming):
        threading.Thread(target=task, args=(home, over), daemon=True).start()
    try:
        prefect.serve(*deployments)
    finally:
        over.set()


@contextmanager
def reachable(host: str, port: int, names: Sequence[str]) -> Iterator[None]:
    """The server for the length of the block; says how a person and other processes log in to one of ours."""
    theirs = API in os.environ
    api = os.environ.setdefault(API, f"http://127.0.0.1:{port}/api")
    with server(api, host, names, theirs) as ours:
        if ours:
            for line in prefect_profile.write(api):
                log.info(line)
        yield


def serve_pages(host: str, port: int, names: Sequence[str]) -> None:
    """Run Prefect's server alone, for workers, until a signal comes. UserError: another program holds its port."""
    log_to_stdout()
    os.environ.pop(API, None)
    with suppress(KeyboardInterrupt), reachable(host, port, names):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pause()


def serve(home: Home, host: str, port: int, names: Sequence[str] = ()) -> None:
    """Serve the repository until a signal comes. UserError: it is served already, or prefect.yaml is refused."""
    log_to_stdout()
    os.chdir(HERE)  # the runs import the flows from where they were deployed
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", str(int(CANCEL_SECONDS)))
    from flows.schedule.deployments import declared, unused

    deployments = declared(home)
    for line in unused(home):
        log.info(line)
    if not home.committed_name:
        log.info(f"called {home.name} here, after its folder; `name: {home.name}` in prefect.yaml: in every checkout")
    try:
        with holding(home.serve_lock, f"process {os.getpid()}", "skip"), reachable(host, port, names):
            serve_all(home, deployments)
    except Busy as busy:
        raise UserError(f"{home.origin} is being served already: {busy}") from None


if __name__ == "__main__":
    from flows.cli.earlier_options import refuse_earlier
    from flows.cli.operations import serve as command
    from tasks.core.cli import run

    refuse_earlier("serve", sys.argv[1:])
    run(command)
