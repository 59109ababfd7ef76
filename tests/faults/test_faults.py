"""Twenty faults in CI; ``make faults`` tries a thousand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import TOP


@pytest.mark.slow
def test_twenty_faults_end_as_undisturbed_or_in_a_sentence():
    command = [sys.executable, "-m", "tests.faults.fixed"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("refused: ", "same: ", "another input: "))]
    assert len(lines) == 20
