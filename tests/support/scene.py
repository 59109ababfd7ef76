"""A served repository with something to see on Prefect's page: a quiet month, drift, a failure, a model that waits.

``python -m tests.shots`` takes the pictures of docs/ from it, and tests/attacks/test_prefect_pages.py opens its pages.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.support import tiny_pipeline
from tests.support.prefect_api import logged_in
from tests.support.processes import IDENTITY, TOP, free_port

DECLARED = """
name: mails
deployments:
  - name: training
    description: Land what is new, train in a clone of its own, leave a record
    entrypoint: flows/scheduled_training.py:scheduled_training
    schedules: [{cron: "0 2 * * *"}]
  - name: monitoring
    description: Watch the champion on the next window, if one has closed
    entrypoint: flows/monitoring/flow.py:monitoring
    schedules: [{cron: "0 3 * * *"}]
    parameters: {policy: {refit_on: alarm, action: train}}
  - name: approval
    description: Judge the newest model, wait for a person's answer, promote
    entrypoint: flows/approval.py:approval
    parameters: {rule: not_worse}
"""
PAGES = """  pages:
    cmd: python pipe.py pages
    deps: [metrics/drift.json]
    outs: [reports/index.html, reports/drift.html]
"""
PAGES_CODE = """
def pages():
    pathlib.Path("reports").mkdir(exist_ok=True)
    for name, link in (("index", "drift"), ("drift", "index")):
        text = f"<!doctype html><title>{name}</title><h1>The page {name}</h1><a href={link}.html>{link}</a>"
        pathlib.Path(f"reports/{name}.html").write_text(text)

if __name__"""
BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
CustomWebhookNotificationBlock(
    name="team", url={url!r}, json_data={{"subject": "{{{{subject}}}}", "body": "{{{{body}}}}"}}
).save("team", overwrite=True)
"""


class Scene:
    """The repository, its `driftline serve`, and what a webhook was told. Used as a context manager."""

    def __init__(self, folder: Path, reason: str = ""):
        """``reason`` stands in each verdict on drift, as words of data may."""
        self.repository, self.folder, self.port = folder / "mails", folder, free_port()
        self.page = f"http://127.0.0.1:{self.port}"
        self.api, self.reason, self.told = f"{self.page}/api", reason, []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **tiny_pipeline.environment(IDENTITY),
            "PREFECT_HOME": str(folder / "prefect"),
            "DRIFTLINE_HOME": str(folder / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }

    def __enter__(self):
        self._make()
        self._hook = ThreadingHTTPServer(("127.0.0.1", 0), _hearing(self.told))
        threading.Thread(target=self._hook.serve_forever, daemon=True).start()
        self.log = (self.folder / "serve.log").open("ab")
        words = ["serve", "--repository", str(self.repository), "--port", str(self.port)]
        self.process = self._begin(*words)
        try:
            self.until(lambda: self._deployments().keys() >= {"training", "monitoring", "approval"}, 900, "deployed")
            self._python(BLOCK.format(url=f"http://127.0.0.1:{self._hook.server_address[1]}/"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._hook.shutdown()
        self.log.close()

    def _make(self):
        self.repository.mkdir(parents=True)
        tiny_pipeline.write(
            self.repository, tiny_pipeline.spring(), {"model": "words", "until": "2026-02-01", "end": "2026-03-01"}
        )
        (self.repository / "dvc.yaml").write_text((self.repository / "dvc.yaml").read_text() + PAGES)
        pipe = self.repository / "pipe.py"
        code = pipe.read_text().replace("\nif __name__", PAGES_CODE, 1)
        pipe.write_text(code.replace('labels seen"', f'labels seen" + {self.reason!r}'))
        (self.repository / "prefect.yaml").write_text(DECLARED)
        for command in ("dvc repro -q",):
            self._run(sys.executable, "-m", *command.split(), cwd=self.repository)
        for command in ("add -A", "commit -qm first"):
            self._run("git", *command.split(), cwd=self.repository)
        self._run(sys.executable, "-m", "driftline", "promote", "--repository", str(self.repository))

    def _run(self, *command, cwd=TOP):
        done = subprocess.run(command, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _begin(self, *words):
        command = [sys.executable, "-m", "driftline", *words]
        return subprocess.Popen(command, cwd=TOP, env=self.environment, stdout=self.log, stderr=self.log)

    def _python(self, code):
        command = "import flows; from flows.machine.server import client\nwith client():\n    exec(" + repr(code) + ")"
        environment = {**self.environment, "PREFECT_API_URL": self.api}
        done = subprocess.run([sys.executable, "-c", command], cwd=TOP, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except (httpx.HTTPError, AttributeError):  # the server, or its login, is not there yet
                pass
            assert self.process.poll() is None, self.log_text()[-4000:]
            time.sleep(0.5)
        raise AssertionError(f"not {what} in {seconds} s:\n{self.log_text()[-4000:]}")

    def log_text(self):
        """What ``driftline serve`` has said so far."""
        return (self.folder / "serve.log").read_text()

    @property
    def login(self):
        return (self.folder / "prefect" / "driftline" / str(self.port) / "login").read_text().strip()

    def ask(self, path, **body):
        with logged_in(self.api, self.login) as client:
            return client.post(path, json=body).raise_for_status().json()

    def _deployments(self):
        if not (self.folder / "prefect" / "driftline" / str(self.port) / "login").exists():
            return {}
        return {one["name"].split("-")[0]: one for one in self.ask("deployments/filter")}

    def start(self, deployment, **parameters):
        """A run as the page starts it: its id."""
        found = self._deployments()[deployment]
        given = {**found["parameters"], "publish": {"notify": "custom-webhook/team"}, **parameters}
        return self.ask(f"deployments/{found['id']}/create_flow_run", parameters=given)["id"]

    def run(self, key):
        return self.ask("flow_runs/filter", flow_runs={"id": {"any_": [key]}})[0]

    def artifact(self, run, key):
        """The address of the page of what a run has left."""
        asked = {"artifacts": {"key": {"any_": [key]}, "flow_run_id": {"any_": [run]}}}
        return f"{self.page}/v2/artifacts/artifact/{self.ask('artifacts/filter', **asked)[0]['id']}"

    def ended(self, key, *states):
        """The run, once it is in one of these states; by default over, or waiting for a person."""
        wanted = states or ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")
        return self.until(lambda: (run := self.run(key))["state_type"] in wanted and run, 900, f"{key} in {wanted}")


def _hearing(told):
    class Hear(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Hear
