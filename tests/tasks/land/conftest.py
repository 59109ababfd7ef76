from __future__ import annotations

import pytest
from tenacity import wait_none

from tasks.land import __main__ as command


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """An empty folder as the top of the repository; nothing waits between tries."""
    here = tmp_path / "repository"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(command, "WAIT", wait_none())
    return here
