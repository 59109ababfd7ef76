"""A termination signal is never lost, wherever it meets ``driftline serve``."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.support.processes import TOP

START = """
import asyncio, os, signal, threading, time
from flows.schedule import runner
runner.END_SECONDS = 2.0
ending = runner.Ending()
signal.signal(signal.SIGTERM, ending)
hit = lambda: os.kill(os.getpid(), signal.SIGTERM)
"""
CASES = {
    "in a finalizer, before it serves": (
        """
class Finalizer:
    def __del__(self):
        hit()
        time.sleep(0.1)
Finalizer()
asyncio.run(ending.ends(lambda: asyncio.sleep(60)))
""",
        0,
    ),
    "before it serves": ("hit(); time.sleep(60)", 0),
    "while it serves": ("threading.Timer(0.5, hit).start(); asyncio.run(ending.ends(lambda: asyncio.sleep(60)))", 0),
    "in a finalizer, while it serves": (
        """
class Finalizer:
    def __del__(self):
        hit()
        time.sleep(0.1)
async def serving():
    Finalizer()
    await asyncio.sleep(60)
asyncio.run(ending.ends(serving))
""",
        0,
    ),
    "while it hangs": (
        """
async def serving():
    hit()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
asyncio.run(ending.ends(serving))
""",
        1,
    ),
}


@pytest.mark.proof
@pytest.mark.parametrize(("code", "exit_code"), CASES.values(), ids=CASES.keys())
def test_it_ends(code, exit_code):
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", START + code], cwd=TOP, timeout=50, capture_output=True, text=True)
    assert done.returncode == exit_code, done.stderr
    assert time.monotonic() - begun < 45
