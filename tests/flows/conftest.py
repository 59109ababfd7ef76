"""A small repository, a real Prefect server, and a home of its own for each test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.machine.home import Home
from flows.machine.prefect_address import Address
from flows.machine.server import server
from tests.support.processes import IDENTITY, free_port
from tests.support.small_repository import make


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The repository, as the current folder; ``python`` and ``dvc`` are this environment's."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The address of a real Prefect server with a home of its own; it takes some 20 s to start, once."""
    address = f"http://127.0.0.1:{free_port()}/api"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("driftline")))
        patch.setenv("PREFECT_API_URL", address)
        settings = {PREFECT_API_URL: address, PREFECT_LOGGING_TO_API_ENABLED: False}  # logs would outlive the server
        with server(Address(address, "a test", True)), temporary_settings(settings):
            yield address


@pytest.fixture
def deployed(repository, tmp_path_factory, monkeypatch):
    """The repository with a home of its own, outside of it."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
    return Home.of(repository)
