"""The two ways to run unattended, as the soak has them: what a service manager starts, and what of it can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil
from ruamel.yaml import YAML

from flows.machine.git import EMAIL, NAME
from flows.machine.server import answers
from tasks.core.files import replacing

TOP = Path(__file__).parents[2]
EVERY_MINUTE, NEVER = "* * * * *", "0 0 1 1 *"
MEND_SECONDS = 120.0  # docs/running.md: where a worker runs, cron calls driftline reaper
END_SECONDS = 60.0


@dataclass
class Way(ABC):
    """Processes that are started again whenever they have ended. A subclass says which."""

    folder: Path
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    restarts: int = 0

    name: ClassVar[str]
    heading: ClassVar[str]
    victims: ClassVar[tuple[str, ...]]
    words: ClassVar[str]
    """How it runs, for the table."""
    kept_up: ClassVar[str]
    """What a service manager has to start again."""

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self) -> dict[str, str]:
        who = {
            f"GIT_{a}_{b}": NAME if b == "NAME" else EMAIL for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")
        }
        homes = {"PREFECT_HOME": str(self.folder / "prefect"), "DRIFTLINE_HOME": str(self.home)}
        return {**os.environ, **who, **homes, "PREFECT_API_URL": self.api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    @abstractmethod
    def keep_up(self) -> None:
        """Start what is not running."""

    @abstractmethod
    def victim(self, kind: str) -> psutil.Process | None:
        """The process of that kind to kill, where it is one of the service's; None while there is none."""

    def start(self, name: str, *command: str) -> None:
        """Start a process unless it runs, as a service manager does whenever it has ended."""
        running = self.processes.get(name)
        if running and running.poll() is None:
            return
        self.restarts += running is not None
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=TOP, env=self.environment(), stdout=log, stderr=log
            )

    def end(self) -> None:
        """End the service politely, what was started last first."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            process.wait(END_SECONDS)

    def all_processes(self) -> Iterator[psutil.Process]:
        """Every process that the soak's service has started, near or far: they inherit the home's name."""
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("DRIFTLINE_HOME") == str(self.home):
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def hurried(folder: Path, repository: Path) -> Path:
    """prefect.yaml in the folder, for the soak's repository: training every minute and the rest never."""
    yaml = YAML()
    said: dict[str, Any] = yaml.load((TOP / "prefect.yaml").read_text(encoding="utf-8"))
    said["definitions"]["limits"]["overlap"] = "skip"
    for one in said["deployments"]:
        for schedule in one.get("schedules", []):
            schedule["cron"] = EVERY_MINUTE if one["name"] == "training" else NEVER
        one["parameters"]["repository"] = str(repository)
    file = folder / "prefect.yaml"
    with replacing(file) as part:
        yaml.dump(said, part)
    return file


class Serve(Way):
    """``driftline serve``: server and runner in one."""

    name = "serve"
    heading = "Unattended: thirty runs and kill -9"
    victims = ("stage", "flow", "runner", "server")
    words = "`driftline serve` with its own server"
    kept_up = "the runner"

    def keep_up(self) -> None:
        hurried(self.repository, self.repository)
        self.start("runner", "flows.serve", "--repository", str(self.repository), "--port", str(self.port))

    def victim(self, kind: str) -> psutil.Process | None:
        runner = psutil.Process(self.processes["runner"].pid)
        if kind == "runner":
            return runner
        children = runner.children(recursive=True)
        return next((p for p in children if p.cmdline()[2:3] == ["flows.machine.prefect_server"]), None)


@dataclass
class Pool(Way):
    """A server, the deployments of ``prefect.yaml`` on a process work pool, and a worker."""

    name = "worker"
    heading = "Unattended with a worker: thirty runs and kill -9"
    victims = ("stage", "flow", "worker", "server")
    words = (
        "`driftline server`, `driftline deploy` of prefect.yaml on a process work pool, `prefect worker "
        f"start`, and `driftline reaper` every {MEND_SECONDS:.0f} s"
    )
    kept_up = "server and worker"
    mended: float = 0.0
    """When flows.reaper was last called."""

    def keep_up(self) -> None:
        self.start("server", "driftline", "server", "--port", str(self.port))
        if not answers(self.api):
            return
        if not (self.folder / "deployed").exists():
            self._deploy()
        self.start("worker", "prefect", "worker", "start", "--pool", "driftline")
        if time.time() - self.mended > MEND_SECONDS:
            self.mended = time.time()
            self.processes.pop("reaper", None)
            self.start("reaper", "driftline", "reaper", "--repository", str(self.repository))

    def _deploy(self) -> None:
        self._run("prefect", "--no-prompt", "work-pool", "create", "driftline", "--type", "process", "--overwrite")
        hurried(self.repository, self.repository)
        self._run("driftline", "deploy", "--repository", str(self.repository))
        (self.folder / "deployed").touch()

    def _run(self, *words: str) -> None:
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=TOP, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"error: {' '.join(words)}: {done.stdout}{done.stderr}")

    def victim(self, kind: str) -> psutil.Process | None:
        started = psutil.Process(self.processes[kind].pid)
        return started if started.is_running() else None


WAYS: dict[str, type[Way]] = {way.name: way for way in (Pool, Serve)}
