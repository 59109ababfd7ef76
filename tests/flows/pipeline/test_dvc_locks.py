"""DVC's list of readers and writers never has to be deleted by hand; what a living process holds stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from flows.pipeline import dvc_locks
from tests.support import small_repository
from tests.support.processes import IDENTITY


def written(folder, content):
    (folder / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    (folder / dvc_locks.LIST).write_bytes(content)


def holding(process, file="first.txt"):
    return json.dumps({"write": {str(file): {"pid": process, "cmd": "dvc repro"}}, "read": {}}).encode()


@pytest.mark.parametrize(
    "content", [b"", b'{"write": {"a', b"[]", b"\x80\xff", b'{"read": {"a": {"pid": 1}}}', b'{"write": {"a": 1}}']
)
def test_a_list_that_was_cut_off_is_deleted(content, tmp_path):
    written(tmp_path, content)
    dvc_locks.clear_stale(tmp_path)
    assert not (tmp_path / dvc_locks.LIST).exists()


def test_processes_that_ended_or_are_others_by_now_are_taken_out(tmp_path):
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    for process in (over.pid, other.pid):
        written(tmp_path, holding(process))
        dvc_locks.clear_stale(tmp_path)
        assert json.loads((tmp_path / dvc_locks.LIST).read_text()) == {"write": {}, "read": {}}
    other.communicate(b"\n")


def test_what_a_living_process_of_dvc_holds_stays(tmp_path):
    command = [sys.executable, "-c", "print(flush=True); input()", "dvc", "repro"]
    living = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert living.stdout.readline()  # before that, it still has the name of this process
    written(tmp_path, holding(living.pid))
    dvc_locks.clear_stale(tmp_path)
    assert (tmp_path / dvc_locks.LIST).read_bytes() == holding(living.pid)
    living.communicate(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("content", [lambda _: b"", lambda folder: holding(1, folder / "first.txt")])
def test_dvc_runs_again_after_it(content, tmp_path, monkeypatch):
    small_repository.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    written(tmp_path, content(tmp_path))
    environment = os.environ | IDENTITY
    command = [sys.executable, "-m", "dvc", "repro", "first"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode
    dvc_locks.clear_stale()
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
