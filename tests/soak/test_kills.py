"""A training killed by SIGKILL at a random moment and continued ends in the same weights."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.processes import TOP


@pytest.mark.parametrize("kills", [pytest.param(2, marks=pytest.mark.long), pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.timeout(3600)
def test_killed_and_continued_it_ends_in_the_same_weights(kills):
    size = ["--epochs", "6", "--workers", "1", "--dry"] if kills == 2 else []
    command = [sys.executable, "-m", "tests.soak.kills", "--kills", str(kills), *size]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    told = rf"same weights \(sha256\) once continued \| {kills} of {kills} \|"
    assert re.search(told, done.stdout), done.stdout + done.stderr
