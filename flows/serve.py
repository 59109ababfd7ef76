"""Run all that ``prefect.yaml`` of the repository declares: ``driftline serve``. Nothing else to set up.

Uses the Prefect server that ``--server``, ``PREFECT_API_URL`` or Prefect's profile names, or runs one itself, by
default at http://127.0.0.1:4200, whose database in Prefect's home lasts. It ends on Ctrl-C or a termination signal, and
what it had started ends with it.
Runs that an earlier end left behind are marked crashed, deployments that are no longer declared are deleted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from flows.errors import Busy
from flows.logs import log_to_stdout
from flows.machine import prefect_profile
from flows.machine.home import HERE, Home
from flows.machine.locks import holding
from flows.machine.prefect_address import API, DEFAULT_PORT, Address, local, set_variables, to_serve
from flows.machine.server import server
from flows.schedule.runner import Ending, run_deployments
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

log = logging.getLogger("flows.serve")  # also when it is run as __main__
REAP_SECONDS = 60.0
NAME_SECONDS = 2.0
CANCEL_SECONDS = 5.0  # how often the server is asked for runs that are due or cancelled


def keep_doing(task: Callable[[], None], seconds: float, over: threading.Event) -> None:
    """Do it from time to time, whatever fails: a server that is being restarted is asked again next time."""
    said = ""
    while not over.wait(seconds):
        try:
            task()
            said = ""
        except Exception as error:
            if said != repr(error):
                said = repr(error)
                log.warning(f"looking after runs failed, and is tried again: {said}", exc_info=_bug(error))


def _bug(error: Exception) -> Exception | None:
    """The error, where it is none of a server that does not answer."""
    import httpx

    return None if isinstance(error, httpx.HTTPError | UserError) else error


def reap_and_say(home: Home, **how: timedelta) -> None:
    """Look for dead runs."""
    from flows.reaper import reap

    for line in reap(home, **how):
        log.info(line)


def name_runs(home: Home) -> None:
    """Name runs as they are scheduled, on the page too."""
    from prefect.client.orchestration import get_client

    from flows.schedule.naming import name_scheduled

    with get_client(sync_client=True) as client:
        name_scheduled(client, home)


def serve_all(home: Home, deployments: list[RunnerDeployment], ending: Ending) -> None:
    """Until a signal comes. Imports Prefect only here, because it reads its settings when it is imported."""
    from prefect.client.orchestration import get_client

    from flows.schedule.edits import note, overwritten
    from flows.schedule.possible import require_blocks, require_no_pool, warn_of_unreachable
    from flows.schedule.prefect_yaml import FILE, read
    from flows.schedule.retired import retire
    from flows.schedule.sole import require_sole

    asked = read(home.origin / FILE)
    require_blocks(asked, home.origin / FILE)
    warn_of_unreachable(home, asked)
    with get_client(sync_client=True) as client:
        require_sole(client, home)  # whose runs look dead from here
    reap_and_say(home, starting=timedelta(0))  # before a concurrency limit counts them
    names = {(str(one.flow_name), str(one.name)) for one in deployments}
    with get_client(sync_client=True) as client:
        require_no_pool(client, ("/".join(name) for name in names))
        for line in retire(client, home, names):
            log.info(line)
        for line in overwritten(client, home, deployments):
            log.info(line)
    note(home, deployments)
    over = threading.Event()
    for task, seconds in ((reap_and_say, REAP_SECONDS), (name_runs, NAME_SECONDS)):
        threading.Thread(target=keep_doing, args=(partial(task, home), seconds, over), daemon=True).start()
    try:
        run_deployments(deployments, ending)
    finally:
        over.set()


@contextmanager
def reachable(at: Address, host: str, names: Sequence[str]) -> Iterator[None]:
    """The server for the length of the block; says how a person and other processes log in to one of ours."""
    page = {"PREFECT_UI_URL": f"https://{names[0]}"} if names and "PREFECT_UI_URL" not in os.environ else {}
    set_variables({API: at.api, **page})  # for the runs too
    with server(at, host, names) as ours:
        log.info(f"Prefect's server: {at}")
        if ours:
            for line in prefect_profile.write(at.api):
                log.info(line)
        yield


def serve_pages(host: str, port: int | None, names: Sequence[str]) -> None:
    """Run Prefect's server alone, for workers, until a signal comes. UserError: another program holds its port."""
    log_to_stdout()
    with suppress(KeyboardInterrupt), reachable(local(port or DEFAULT_PORT), host, names):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pause()


def serve(home: Home, host: str, port: int | None, names: Sequence[str] = ()) -> None:
    """Serve the repository until a signal comes. UserError: it is served already, or prefect.yaml is refused."""
    log_to_stdout()
    ending = Ending()
    signal.signal(signal.SIGTERM, ending)
    os.chdir(HERE)  # the runs import the flows from where they were deployed
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", str(int(CANCEL_SECONDS)))
    at = to_serve(port)
    from flows.schedule.deployments import declared, unused
    from flows.schedule.possible import require_data_remote

    deployments = declared(home)
    require_data_remote(home)
    for line in unused(home):
        log.info(line)
    if not home.committed_name:
        log.info(f"called {home.name} here, after its folder; `name: {home.name}` in prefect.yaml: in every checkout")
    try:
        with holding(home.serve_lock, f"process {os.getpid()}", "skip"), reachable(at, host, names):
            serve_all(home, deployments, ending)
    except Busy as busy:
        raise UserError(f"{home.origin} is being served already: {busy}") from None


if __name__ == "__main__":
    from flows.cli.earlier_options import refuse_earlier
    from flows.cli.operations import serve as command
    from tasks.core.cli import run

    refuse_earlier("serve", sys.argv[1:])
    run(command)
