"""A stage dies with its flow, however the flow ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.pipeline.stage import guarded
from tests.support.processes import TOP, wait_for

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(120)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(120)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def flow(tmp_path):
    """A process that guards a silent command which ignores SIGTERM, and the processes of that command."""
    pids = tmp_path / "pids"
    code = f"""
import sys
from flows.pipeline.stage import guarded
guarded([sys.executable, "-c", {STUBBORN!r}, {str(pids)!r}])
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=TOP)
    assert wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
    yield process, [int(pid) for pid in pids.read_text().split()]
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_silent_stage_that_ignores_sigterm_is_gone_soon_after_its_flow(flow, number):
    process, pids = flow
    assert all(alive(pid) for pid in pids)
    os.kill(process.pid, number)
    assert wait_for(lambda: not any(alive(pid) for pid in pids), 30)


@pytest.mark.proof
def test_what_a_command_leaves_behind_goes_with_it(tmp_path):
    pid = tmp_path / "pid"
    code = f"import subprocess; p = subprocess.Popen(['sleep', '60']); open({str(pid)!r}, 'w').write(str(p.pid))"
    assert guarded([sys.executable, "-c", code])[0] == 0
    assert wait_for(lambda: not alive(int(pid.read_text())), 15)


def test_exit_code_and_output_pass_through(caplog):
    code, last = guarded([sys.executable, "-c", "print('one'); print('two'); raise SystemExit(3)"])
    assert (code, last, caplog.messages) == (3, ["one", "two"], ["one", "two"])
    assert guarded([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])[0] == 128 + 9
