"""Tests in a fork that has the libraries imported already, but nothing of this repository."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

OWN = ("tasks", "flows", "tests", "driftline", "measures")
MAX_MEMORY = 8 << 30  # bytes: a mutant may ask for memory without end
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not soak"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of plugins that are imported before the fork


class Reach:
    """A plugin of pytest: which lines of some modules each test reaches, and how long it takes."""

    def __init__(self, files: Sequence[Path]) -> None:
        import coverage

        self.files, self.seconds = files, defaultdict[str, float](float)
        self.coverage = coverage.Coverage(data_file=None, config_file=False, include=[str(f.resolve()) for f in files])
        self.coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterable[None]:
        self.coverage.switch_context(item.nodeid)
        began = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - began
        self.coverage.switch_context("")

    def lines(self) -> dict[str, dict[int, list[str]]]:
        """Of each file the tests by line."""
        self.coverage.stop()
        data = self.coverage.get_data()
        return {str(file): data.contexts_by_lineno(str(file.resolve())) for file in self.files}


class FirstFailure:
    """A plugin of pytest: a property that fails is not made smaller, since nobody reads it."""

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("mutant", derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutant")


def passes(tests: Sequence[str]) -> bool:
    """Whether the tests pass, up to the first that does not."""
    return pytest.main([*OPTIONS, "-x", *tests], plugins=[FirstFailure()]) == pytest.ExitCode.OK


def reach(files: Sequence[Path], arguments: Sequence[str]) -> tuple[bool, Any, Any, list[str]]:
    """Whether the tests pass, the tests by file and line, their seconds, and the modules they imported."""
    plugin = Reach(files)
    passed = pytest.main([*OPTIONS, *arguments], plugins=[plugin, FirstFailure()]) == pytest.ExitCode.OK
    return passed, plugin.lines(), dict(plugin.seconds), [*sys.modules]


def in_fork(work: Callable[[], Any], seconds: int, log: Path) -> Any:
    """What a function answers in a fork; None where it needs more than so many seconds or dies."""
    ours, theirs = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_limited, args=(work, seconds, theirs, log))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(max(3600, 20 * seconds)) else None  # of the clock: the machine may be busy
    except EOFError:
        return None
    finally:
        try:
            os.killpg(process.pid or 0, signal.SIGKILL)  # with the processes that it started
        except ProcessLookupError:
            process.kill()
        process.join()


def _limited(work: Callable[[], Any], seconds: int, answer: Connection, log: Path) -> None:
    os.setsid()
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]  # those that this command itself consists of
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # two mutants of one second and one size would be taken for each other
    answer.send(work())
    os._exit(0)


def import_libraries(modules: Iterable[str]) -> None:
    """Import what tests imported, but what is the repository's or pytest's."""
    plugins = {entry.module.partition(".")[0] for entry in entry_points(group="pytest11")}
    left_out = {*OWN, *plugins, "__main__", "pytest", "_pytest", "hypothesis", "xdist", "coverage", "conftest"}
    for name in modules:
        if name.partition(".")[0] not in left_out and name not in sys.modules:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    importlib.import_module(name)
                except Exception:  # noqa: BLE001  # a name that only its own library can make
                    continue
