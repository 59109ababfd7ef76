"""The long run reads what came of each test, and leaves no process of a piece that it stops."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests import long

LOG = "\n".join(
    [
        "collecting ... collected 4 items",
        "",
        "tests/flows/test_many.py::test_that_prints ",
        "20 repositories: registered in 3 s",
        "PASSED [ 25%]",
        "tests/flows/test_many.py::test_of[one two] FAILED [ 50%]",
        "tests/flows/test_many.py::test_left_out SKIPPED (no server) [ 75%]",
        "tests/flows/test_many.py::test_that_was_stopped ",
        "half of it",
        "",
    ]
)


def test_outcomes_are_read_around_what_tests_print(tmp_path):
    (tmp_path / "log").write_text(LOG)
    assert long.outcomes(tmp_path / "log") == {
        "tests/flows/test_many.py::test_that_prints": "PASSED",
        "tests/flows/test_many.py::test_of[one two]": "FAILED",
        "tests/flows/test_many.py::test_left_out": "SKIPPED",
    }


@pytest.mark.parametrize("stays", [False, True])
def test_a_stopped_piece_leaves_no_process(stays, monkeypatch):
    monkeypatch.setattr(long, "TO_END", 1)
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if stays else ""
    code = f"import subprocess, time; {deaf}subprocess.Popen(['sleep', '600']); print('.', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.read(1)
    (child,) = psutil.Process(process.pid).children()
    long.end(process)
    assert process.poll() is not None
    assert child.wait(10) is None or not child.is_running()
