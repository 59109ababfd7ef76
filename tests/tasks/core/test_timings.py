"""Where a stage's seconds go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tasks.core import timings
from tests.support.processes import TOP

STAGE = '''
import time
time.sleep(0.3)
from pathlib import Path
from tasks.core.cli import run
from tasks.core.files import reading, replacing, write_json

def main() -> None:
    """A stage."""
    with reading(Path("in"), "a text"):
        time.sleep(0.2)
    time.sleep(0.4)
    with replacing(Path("out")) as part, reading(Path("in"), "a text"):
        time.sleep(0.1)
        part.write_text("x")

main.__module__ = "tasks.made"
import sys, types
sys.modules["tasks.made"] = types.ModuleType("tasks.made")
run(main, [])
'''


@pytest.mark.proof
def test_every_second_of_a_stage_is_counted_once(tmp_path):
    began, started = time.monotonic(), time.time()
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    subprocess.run([sys.executable, "-c", STAGE], cwd=tmp_path, env=environment, check=True)
    clock = time.monotonic() - began
    found = json.loads((tmp_path / ".timings/made.json").read_text())
    assert list(found) == list(timings.KINDS)
    for kind, least in zip(timings.KINDS, (0.3, 0.2, 0.4, 0.1), strict=True):
        assert found[kind] >= least - 0.02, kind
    assert sum(found.values()) <= clock + 0.05
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert timings.since(started - 2) == {"made": found}
        assert timings.since(time.time() + 60) == {}
        (tmp_path / ".timings/torn.json").write_text("{")
        assert timings.since(0) == {"made": found}


def test_a_folder_that_refuses_costs_the_note_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".timings").write_text("a file is in its place")
    timings.note("stage")
