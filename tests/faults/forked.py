"""A stage in a fork of this process, which has imported all that stages import: what a fork does costs no imports."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

STAGES = (
    *("ingest@reference", "ingest@current", "validate@reference", "validate@current", "split", "baseline"),
    *("tokenize", "pretrain", "finetune", "score@reference", "score@current"),
    *("evaluate", "explain", "drift", "report"),
)
HEAVY = ("torch", "sklearn.linear_model", "transformers", "dvc.repo", "great_expectations")
PAGES = ("tasks.drift.page", "tasks.explain.attribution", "tasks.explain.suspects")  # which import what takes longest
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its exit code, negative for a signal, what it said, and how long it took."""

    code: int
    said: str
    seconds: float


def module(stage: str) -> Any:
    """The module whose ``main`` is the stage."""
    name = f"tasks.{stage.partition('@')[0]}"
    found = importlib.import_module(name)
    return importlib.import_module(f"{name}.__main__") if hasattr(found, "__path__") else found


def import_all(*, pages: bool = True) -> None:
    """Import what any stage imports; without ``pages`` drift and explain import theirs themselves."""
    for name in (*HEAVY, *(PAGES if pages else ())):
        importlib.import_module(name)
    for stage in STAGES:
        module(stage)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401


def run(
    stage: str,
    folder: Path,
    before: Callable[[], None] | None = None,
    kill: tuple[float, int] | None = None,
    limit: float = LIMIT_SECONDS,
) -> Ended:
    """Run a stage in the folder; ``kill``: after so many seconds, by this signal."""
    main = module(stage).main
    with tempfile.TemporaryFile() as out:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_the_stage(stage, folder, main, out.fileno(), before)
        code = _wait(child, started, kill, limit)
        seconds = time.monotonic() - started
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it left behind
        out.seek(0)
        return Ended(code, out.read().decode(errors="replace"), seconds)


def _be_the_stage(stage: str, folder: Path, main: Any, out: int, before: Callable[[], None] | None) -> NoReturn:
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), "utf-8", write_through=True) for fd in (1, 2)
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.path.insert(0, str(folder))
        window = stage.partition("@")[2]
        arguments = ["--window", window] if window else []
        sys.argv = [str(sys.modules[main.__module__].__file__), *arguments]
        if before:
            before()
        from tasks.core.cli import run as run_command

        run_command(main, arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:  # noqa: BLE001  what Python would print
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        with suppress(BaseException):
            from multiprocessing.process import active_children

            for one in active_children():
                one.terminate()
        os._exit(code)


def _wait(child: int, started: float, kill: tuple[float, int] | None, limit: float) -> int:
    """The exit code; a stage that does not end is killed, and its code is then -9."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - started
        if kill and passed >= kill[0]:
            os.kill(child, kill[1])
            kill = None
        if passed > limit:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
