"""Whatever ends a command is one sentence: the machine's faults by what settles them, bugs by their place."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.core.cli import FAILED, application, exit_code
from tasks.core.faults import sentence
from tasks.core.files import read_json, reading, replacing
from tests.support.processes import TOP, wait_for

FAULTS = {
    OSError(errno.ENOSPC, "No space left on device", "data/a"): "no space is left on the disk of data/a",
    OSError(errno.EIO, "Input/output error", "data/a"): "the disk failed while data/a was read or written",
    PermissionError(errno.EACCES, "Permission denied", "data/a"): "data/a may not be read or written",
    OSError(errno.EROFS, "Read-only file system", "data/a"): "data/a is on a disk that is read-only",
    OSError(errno.EMFILE, "Too many open files", "data/a"): "ulimit -n",
    IsADirectoryError(errno.EISDIR, "Is a directory", "data/a"): "data/a is a folder where a file is expected",
    BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"): "ulimit -u",
    RuntimeError("can't start new thread"): "ulimit -u",
    MemoryError(): "not enough memory",
    pa.ArrowMemoryError("malloc of size 2147483648 failed"): "not enough memory",
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"): "not enough memory",
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"): "not enough memory",
    RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file"): "no space is left",
    ValueError("Error while serializing: I/O error: No space left on device (os error 28)"): "no space is left",
}


@pytest.mark.parametrize(("error", "said"), FAULTS.items(), ids=[repr(error)[:40] for error in FAULTS])
def test_a_fault_of_the_machine_is_named_wherever_it_is_wrapped(error, said, capsys):
    def main() -> None:
        try:
            raise error
        except type(error) as inner:
            raise KeyError("wrapped") from inner

    assert exit_code(application(main), []) == FAILED
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and err.count("\n") == 1 and "KeyError" not in err


def test_a_bug_is_named_with_its_place_and_the_file_that_was_read_last(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")

    def main() -> None:
        assert read_json(tmp_path / "a.json")["labels"]

    assert exit_code(application(main), []) == FAILED
    err = capsys.readouterr().err
    assert re.search(r"KeyError: 'labels' in .*test_faults.py, line \d+; the file read last is .*a.json", err)
    kept = Path(re.search(r"the traceback is in (\S+)", err)[1])
    assert "Traceback" in kept.read_text() and "Traceback" not in err
    kept.unlink()


def test_what_is_no_fault_of_the_machine_has_no_sentence():
    assert sentence(KeyError("labels")) is None
    assert sentence(FileNotFoundError(errno.ENOENT, "no", "a")) is None


def test_an_error_of_the_disk_gets_the_name_of_the_file(tmp_path):
    for block in (reading(tmp_path / "a", "a table"), replacing(tmp_path / "a")):
        with pytest.raises(OSError, match="failed") as found, block:
            raise OSError(errno.EIO, "failed")
        assert found.value.filename == str(tmp_path / "a")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"\x80\x04K\x01.", b"\xff\xfe{\x00", b"\0" * 40, b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused_by_its_name(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(Exception, match=r"a\.json cannot be read as a JSON object: .*dvc repro") as found:
        read_json(tmp_path / "a.json")
    assert type(found.value).__name__ == "UserError"


STAGE = """
import multiprocessing, subprocess, sys, time
from pathlib import Path
from tasks.core.cli import run
from tasks.core.files import replacing

def wait(): time.sleep(600)

def main() -> None:
    one = multiprocessing.get_context("fork").Process(target=wait, daemon=True)
    one.start()
    with replacing(Path("made")) as part:
        part.write_text("half")
        print("ready", one.pid, flush=True)
        subprocess.run([sys.executable, "-c", "import os,time; print(os.getpid(), flush=True); time.sleep(600)"])

run(main)
"""


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.proof
def test_a_termination_signal_ends_what_a_stage_has_started_and_removes_what_is_half_written(tmp_path):
    (tmp_path / "stage.py").write_text(STAGE)
    running = subprocess.Popen(
        [sys.executable, "stage.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdout=subprocess.PIPE,
        text=True,
    )
    children = [int(running.stdout.readline().split()[-1]) for _ in range(2)]
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 143
    assert wait_for(lambda: all(map(gone, children)), 20)
    assert [path.name for path in tmp_path.iterdir()] == ["stage.py"]
