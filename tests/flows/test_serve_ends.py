"""A service manager stops ``driftline serve`` while runs are starting: all of it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from tests.support.prefect_api import logged_in, patiently
from tests.support.processes import IDENTITY, TOP, free_port, wait_for
from tests.support.small_repository import make

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

DECLARED = """
deployments:
  - name: training
    entrypoint: flows/scheduled_training.py:scheduled_training
    schedules: [{cron: "0 2 1 1 *"}]
"""
SLOW = "import sys, time\nif 'prefect.engine' in ' '.join(sys.orig_argv): time.sleep(60)\n"


def of_home(home):
    """Every process that has this home, near or far."""
    found = psutil.process_iter(["environ", "cmdline"])
    return [one for one in found if (one.info["environ"] or {}).get("DRIFTLINE_HOME") == str(home)]


def starting(home):
    """How many runs are."""
    return sum("prefect.engine" in (one.info["cmdline"] or []) for one in of_home(home))


@pytest.mark.parametrize("to", ["the process", "everything, as systemd does"])
def test_a_termination_signal_ends_all_while_runs_are_starting(tmp_path, to):
    (tmp_path / "repository").mkdir()
    make(tmp_path / "repository")
    (tmp_path / "repository" / "prefect.yaml").write_text(DECLARED)
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    port, log = free_port(), tmp_path / "log"
    homes = {"PREFECT_HOME": str(tmp_path / "prefect"), "DRIFTLINE_HOME": str(tmp_path / "home")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {**IDENTITY, **homes, "PYTHONPATH": str(tmp_path)}
    words = ["serve", "--repository", str(tmp_path / "repository"), "--port", str(port)]
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline", *words], cwd=TOP, env=environment, stdout=file, stderr=file
        )
    assert wait_for(lambda: "serving scheduled-training/training" in log.read_text(), 240), log.read_text()
    auth = (tmp_path / "prefect" / "driftline" / str(port) / "login").read_text().strip()
    with logged_in(f"http://127.0.0.1:{port}/api", auth) as client:
        (found,) = patiently(client, "deployments/filter")
        for _ in range(4):
            patiently(client, f"deployments/{found['id']}/create_flow_run")
    assert wait_for(lambda: starting(tmp_path / "home") >= 3, 60), log.read_text()
    for one in of_home(tmp_path / "home") if to != "the process" else [psutil.Process(process.pid)]:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, log.read_text()[-3000:]
    left = [(one.pid, one.info["cmdline"]) for one in of_home(tmp_path / "home")]
    assert wait_for(lambda: not of_home(tmp_path / "home"), 20), left
