"""Run all that is scheduled: ``python -m flows.serve``. One command, nothing else to set up.

Uses the Prefect server that answers at ``PREFECT_API_URL`` (by default http://127.0.0.1:4200/api) or runs one itself,
whose database in Prefect's home lasts. Trains every night, watches the champion on each window that has closed, and
rebuilds the newest run every week. It ends on Ctrl-C or a termination signal; what it had started ends with it. Runs
that an earlier end left behind are marked crashed.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast, get_args

from flows.errors import Busy
from flows.logs import plainly
from flows.machine.home import CLONES_KEPT, HERE, Home
from flows.machine.locks import holding
from flows.machine.server import server
from flows.parameters import Action, RefitOn
from tasks.core.cli import run
from tasks.core.errors import UserError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

log = logging.getLogger(__name__)
API = "PREFECT_API_URL"
MEND_SECONDS = 60.0
CANCEL_SECONDS = 5.0  # how often the server is asked for runs that are due or cancelled


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=(__doc__ or "").split("\n\n")[0])
    say = parser.add_argument
    say("--repository", metavar="FOLDER", help="the repository to deploy (default: the one this code lies in)")
    say("--train", default="0 2 * * *", metavar="CRON", help="when to train, UTC (default: %(default)s)")
    say("--watch", default="0 3 * * *", metavar="CRON", help="when to look for a closed window (default: %(default)s)")
    say("--policy", choices=get_args(RefitOn), default="never", help="when monitoring refits (default: %(default)s)")
    say("--action", choices=get_args(Action), default="nothing", help="on a refit that is due (default: only say so)")
    say("--notify", metavar="BLOCK", help="a notification block that is told of drift, failures and models to approve")
    say("--verify", default="0 5 * * 0", metavar="CRON", help="when to rebuild the newest run (default: %(default)s)")
    say("--revision", default="HEAD", help="the branch, tag or commit to train from (default: what is checked out)")
    say("--overlap", choices=("wait", "skip"), default="wait", help="a run that finds another at work (default: wait)")
    say("--upstream", metavar="REMOTE", help="a git remote that gets every record too")
    say("--keep-clones", type=int, default=CLONES_KEPT, metavar="N", help="of finished runs (default: %(default)s)")
    say("--host", default="127.0.0.1", help="where our own server listens; others than loopback need authentication")
    say("--port", type=int, default=4200, help="of our own server (default: %(default)s)")
    return parser.parse_args()


def deployments(options: argparse.Namespace, home: Home) -> list[RunnerDeployment]:
    """What is scheduled. Needs Prefect's settings to be final."""
    from flows.approval import approval
    from flows.monitoring.flow import monitoring
    from flows.rebuild import rebuild
    from flows.scheduled_training import scheduled_training

    publish = {"upstream": options.upstream, "notify": options.notify}
    where: dict[str, Any] = {"repository": str(home.origin)}
    shared = {**where, "publish": publish, "limits": {"overlap": options.overlap, "keep_clones": options.keep_clones}}
    policy = {"refit_on": options.policy, "action": options.action, "revision": options.revision}
    check = {**where, "overlap": options.overlap, "notify": options.notify}
    made = [
        scheduled_training.to_deployment(
            "training", cron=options.train, parameters={**shared, "revision": options.revision}
        ),
        monitoring.to_deployment("monitoring", cron=options.watch, parameters={**shared, "policy": policy}),
        approval.to_deployment("approval", parameters={**where, "publish": publish}),
        rebuild.to_deployment("rebuild", cron=options.verify, parameters=check),
    ]
    return cast("list[RunnerDeployment]", made)  # its type allows for callers that await


def keep_mending(home: Home, over: threading.Event) -> None:
    """Look for dead runs from time to time; a server that is being restarted is asked again next time."""
    import httpx

    from flows.reaper import mend

    while not over.wait(MEND_SECONDS):
        try:
            for line in mend(home):
                log.info(line)
        except httpx.HTTPError as error:
            log.warning(f"the server does not answer: {error!r}")


def serve_all(options: argparse.Namespace, home: Home) -> None:
    """Until a signal comes. Imports Prefect only here, because it reads its settings when it is imported."""
    import prefect

    from flows.reaper import mend

    for line in mend(home, starting=timedelta(0)):
        log.info(line)
    over = threading.Event()
    threading.Thread(target=keep_mending, args=(home, over), daemon=True).start()
    try:
        prefect.serve(*deployments(options, home))
    finally:
        over.set()


def main() -> None:
    """Run the server and the schedules; refused when another runner of this repository is at work."""
    options = arguments()
    plainly()
    home = Home.of(options.repository)
    os.chdir(HERE)  # the runs import the flows from where they were deployed
    api = os.environ.setdefault(API, f"http://127.0.0.1:{options.port}/api")
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", str(int(CANCEL_SECONDS)))
    try:
        with holding(home.folder / "locks" / "serve.lock", f"process {os.getpid()}", "skip"), server(api, options.host):
            serve_all(options, home)
    except Busy as busy:
        raise UserError(f"{home.origin} is being served already: {busy}") from None


if __name__ == "__main__":
    run(main)
