"""Two runs share no GPU, and wait for none that the other leaves alone."""

from __future__ import annotations

import pytest

from flows.errors import Busy
from flows.machine import gpu
from flows.machine.home import Home, root
from flows.machine.locks import is_held
from flows.scheduled_training import exclusive
from tests.flows.machine.test_checkout import made

ONE, TWO = "GPU-1b2c3d4e-0000-1111-2222-333344445555", "GPU-9f8e7d6c-0000-1111-2222-333344445555"
VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """A machine with these GPUs, as nvidia-smi tells of them."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv(VISIBLE, raising=False)

    def has(*uuids, code=0):
        file = tmp_path / "nvidia-smi"
        file.write_text("\n".join(["#!/bin/sh", *(f"echo {uuid}" for uuid in uuids), f"exit {code}"]))
        file.chmod(0o755)

    has(ONE, TWO)
    return has


@pytest.mark.parametrize(
    ("shown", "used"),
    [
        (None, ONE),
        ("0", ONE),
        ("1", TWO),
        ("1,0", TWO),
        (" 0 , 1", ONE),
        (TWO, TWO),
        ("GPU-9f8e", TWO),
        (f"GPU-1b2c,{TWO}", ONE),
        ("MIG-1b2c/3/0", "MIG-1b2c-3-0"),
        ("", None),
        ("-1", None),
        ("2", None),
        ("GPU-77", None),
        ("NoDevFiles", None),
    ],
)
def test_the_first_gpu_that_cuda_shows_is_locked(smi, monkeypatch, shown, used):
    if shown is not None:
        monkeypatch.setenv(VISIBLE, shown)
    assert gpu.lock() == (root() / f"gpu-{used}.lock" if used else None)


def test_a_machine_without_a_gpu_that_works_has_no_lock(smi, monkeypatch, tmp_path):
    smi(code=9)  # the driver does not answer
    assert gpu.lock() is None
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setattr(gpu, "CONTROL", tmp_path / "none")
    assert gpu.lock() is None
    monkeypatch.setattr(gpu, "CONTROL", tmp_path)  # GPUs in a container without nvidia-smi
    assert gpu.lock() == root() / "gpu-0.lock"
    monkeypatch.setenv(VISIBLE, "1")
    assert gpu.lock() == root() / "gpu-1.lock"


def test_two_repositories_wait_for_each_other_only_on_the_same_gpu(smi, monkeypatch, tmp_path):
    one, two = (Home.of(made(tmp_path / name)) for name in ("one", "two"))
    with exclusive(one, "mine", "skip"):
        monkeypatch.setenv(VISIBLE, "GPU-1b2c")
        with pytest.raises(Busy, match=rf"mine holds .*gpu-{ONE}\.lock"), exclusive(two, "theirs", "skip"):
            pass
        assert not is_held(two.workspace_lock)
        for other in ("1", ""):
            monkeypatch.setenv(VISIBLE, other)
            with exclusive(two, "theirs", "skip"):
                assert is_held(two.workspace_lock)
