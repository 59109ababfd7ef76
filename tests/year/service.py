"""The server, the worker and the repositories of a simulated year, and how runs are started and waited for."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
from ruamel.yaml import YAML

import driftline_login
from flows.machine.git import EMAIL, NAME
from flows.machine.server import answers
from tests.support.prefect_api import logged_in

TOP = Path(__file__).parents[2]
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
LIMIT_SECONDS = 600.0
MEND_SECONDS = 60.0
BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block
Block(name="team", url="URL", json_data={"subject": "{{subject}}", "body": "{{body}}"}).save("team", overwrite=True)
"""


@dataclass
class Service:
    """What runs, and what is known of it, kept in a file between two calls."""

    folder: Path
    port: int
    hook: int
    done: list[str] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By Prefect's id: why it was started, of which repository, its state and message."""
    seconds: float = 0.0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    mended: float = 0.0
    """When ``driftline reaper`` was last called."""

    @classmethod
    def begin(cls, folder: Path) -> Service:
        """Begin, or go on with what an earlier call left; the webhook that notifications go to is this process."""
        file = folder / "year.json"
        if file.exists():
            known = json.loads(file.read_text(encoding="utf-8"))
        else:
            folder.mkdir(parents=True)
            known = {"port": _free(), "hook": _free()}
        service = cls(folder, **known)
        service._listen()
        return service

    def keep(self, event: str | None = None) -> None:
        """Write down what is known, and that an event is over."""
        self.done += [event] if event else []
        known = {name: getattr(self, name) for name in ("port", "hook", "done", "runs", "seconds")}
        part = self.folder / "year.part"
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.replace(self.folder / "year.json")

    def repository(self, name: str) -> Path:
        """Where it lies now: a checkout that has moved is where the newest move put it."""
        return max(self.folder.glob(f"{name}-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def told(self) -> list[dict[str, str]]:
        """Every notification so far."""
        file = self.folder / "told.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def environment(self) -> dict[str, str]:
        who = {
            f"GIT_{a}_{b}": NAME if b == "NAME" else EMAIL for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")
        }
        homes = {"PREFECT_HOME": str(self.folder / "prefect"), "DRIFTLINE_HOME": str(self.folder / "home")}
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        own = {"PREFECT_API_URL": self.api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **driftline_login.HOOK}
        return {**os.environ, **who, **homes, **path, **own}

    def up(self) -> None:
        """Start what is not running, as a service manager does, and wait until the server answers."""
        self._start("server", "driftline", "server", "--port", str(self.port))
        os.environ["PREFECT_HOME"] = str(self.folder / "prefect")
        self.until(lambda: answers(self.api), "the server answers")
        if not (self.folder / "pool").exists():
            self.command("prefect", "--no-prompt", "work-pool", "create", "driftline", "--type", "process")
            self.python(BLOCK.replace("URL", f"http://127.0.0.1:{self.hook}/"))
            (self.folder / "pool").touch()
        self._start("worker", "prefect", "worker", "start", "--pool", "driftline")

    def _start(self, name: str, *command: str) -> None:
        running = self.processes.get(name)
        if running is None or running.poll() is not None:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", *command], cwd=TOP, env=self.environment(), stdout=log, stderr=log
                )

    def memory(self, name: str) -> tuple[int, float]:
        """A process of the service, by its id, and the MB that it keeps in memory; its runs are not counted."""
        pid = self.processes[name].pid
        with suppress(psutil.NoSuchProcess):
            return pid, psutil.Process(pid).memory_info().rss / 1e6
        return pid, 0.0

    def kill(self, *names: str) -> None:
        """SIGKILL processes of the service with everything they have started, as a power cut does."""
        for name in names or tuple(self.processes):
            process = self.processes[name]
            with suppress(psutil.NoSuchProcess):
                for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
            process.wait()

    def end(self) -> None:
        """End the service politely."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_SECONDS)
        self.keep()

    def command(self, *words: str, code: int | None = 0, cwd: Path = TOP) -> str:
        """What a command of this environment says. SystemExit: it ends with another code."""
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=cwd, env=self.environment(), capture_output=True, text=True, check=False
        )
        if code is not None and done.returncode != code:
            sys.exit(f"error: {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def python(self, program: str) -> None:
        """Run a few lines as a client of the server."""
        start = f"from flows.machine.server import log_in; log_in({self.api!r})\n"
        subprocess.run([sys.executable, "-c", start + program], cwd=TOP, env=self.environment(), check=True)

    def git(self, name: str, *words: str) -> str:
        found = subprocess.run(
            ["git", *words],
            cwd=self.repository(name),
            env=self.environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return found.stdout.strip()

    def deploy(self, name: str) -> None:
        """Register the repository's prefect.yaml: the product's, with schedules that never come."""
        repository, yaml = self.repository(name), YAML()
        said: dict[str, Any] = yaml.load((TOP / "prefect.yaml").read_text(encoding="utf-8"))
        said["name"] = name
        said["definitions"]["limits"]["keep_clones"] = 1
        said["definitions"]["publish"] |= {"notify": "custom-webhook/team", "upstream": "away"}
        for one in said["deployments"]:
            for schedule in one.get("schedules", []):
                schedule["cron"] = "0 0 1 1 *"
            one["parameters"]["repository"] = str(repository)
            if one["name"] == "monitoring":
                one["parameters"]["window"]["days"] = 7
                one["parameters"]["policy"] |= {"refit_on": "alarm", "action": "promote", "cooldown_days": 7}
        yaml.dump(said, repository / "prefect.yaml")
        self.git(name, "add", "prefect.yaml")
        self.git(name, "commit", "-qm", "schedules", "--allow-empty")
        self.command("driftline", "deploy", "--repository", str(repository))

    def deployment(self, name: str, flow: str) -> dict[str, Any]:
        """The deployment of a repository's flow."""
        with logged_in(self.api) as client:
            every = client.post("deployments/filter", json={"limit": 200}).raise_for_status().json()
        where = str(self.repository(name))
        (found,) = [
            one for one in every if one["name"].startswith(f"{flow}-") and one["parameters"]["repository"] == where
        ]
        return dict(found)

    def follow(self, why: str, name: str, flow: str) -> bool:
        """Take in the runs that runs of a deployment have started; whether all of them are over."""
        asked = {
            "deployments": {"id": {"any_": [self.deployment(name, flow)["id"]]}},
            "flow_runs": {"state": {"type": {"any_": [*TERMINAL, "PENDING", "RUNNING", "SCHEDULED"]}}},
            "limit": 200,
        }
        with logged_in(self.api) as client:
            every = client.post("flow_runs/filter", json=asked).raise_for_status().json()
        started = [run for run in every if not run["auto_scheduled"] and run["id"] not in self.runs]
        if started:
            self.runs[started[0]["id"]] = {"why": why, "repository": name, "flow": flow}
            self.ended(started[0]["id"])
        return not started

    def trigger(self, why: str, name: str, flow: str, **parameters: Any) -> str:
        """Start a run of a repository's deployment; its id."""
        asked = f"deployments/{self.deployment(name, flow)['id']}/create_flow_run"
        with logged_in(self.api) as client:
            run = client.post(asked, json={"parameters": parameters}).raise_for_status().json()["id"]
        self.runs[run] = {"why": why, "repository": name, "flow": flow}
        self.keep()
        return str(run)

    def state(self, run: str) -> dict[str, Any]:
        with logged_in(self.api) as client:
            found: dict[str, Any] = client.get(f"flow_runs/{run}").raise_for_status().json()
        return found

    def ended(self, run: str) -> str:
        """Wait for a run's end; the name of its state."""
        self.mended = started = time.monotonic()

        def over() -> bool:
            self.up()
            if time.monotonic() > self.mended + MEND_SECONDS:  # as cron does beside a worker
                self.mended = time.monotonic()
                where = str(self.repository(self.runs[run]["repository"]))
                self.command("driftline", "reaper", "--repository", where, code=None)
            return self.state(run)["state"]["type"] in TERMINAL

        self.until(over, f"the run {self.runs[run]['why']} is over")
        found: dict[str, Any] = {}
        self.until(lambda: found.update(self.state(run)) or found, "the server tells the run's state")
        self.runs[run] |= {key: found["state"][key] for key in ("type", "name", "message")} | {"called": found["name"]}
        self.runs[run]["memory"] = {name: self.memory(name) for name in self.processes}
        self.seconds += time.monotonic() - started
        self.keep()
        return str(found["state"]["name"])

    def run(self, why: str, name: str, flow: str, **parameters: Any) -> str:
        """Start a run and wait for its end; the name of its state."""
        self.up()
        return self.ended(self.trigger(why, name, flow, **parameters))

    def until(self, condition: Any, what: str) -> None:
        """Wait. SystemExit after a while."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if condition():
                    return
            time.sleep(0.5)
        sys.exit(f"error: {LIMIT_SECONDS:.0f} s have passed, and it is not so that {what}")

    def _listen(self) -> None:
        told = self.folder / "told.jsonl"

        class Hear(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["Content-Length"])).decode()
                with told.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(json.loads(said)) + "\n")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        hook = HTTPServer(("127.0.0.1", self.hook), Hear)
        threading.Thread(target=hook.serve_forever, daemon=True).start()

    def all_bytes(self) -> Iterator[tuple[str, int]]:
        """What each part of the year takes on disk."""
        for part in ("prefect", "home", *(self.repository(name).name for name in ("mails", "other"))):
            files = (file for file in (self.folder / part).rglob("*") if file.is_file() and not file.is_symlink())
            yield part, sum(file.stat().st_size for file in files)


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
