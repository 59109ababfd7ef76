"""Runs unattended with ``kill -9`` at random moments: nothing is lost, nothing is done twice. An hour each."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.soak.ways import WAYS
from tests.support.processes import TOP

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * 3600)]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_thirty_runs_a_third_of_them_killed(way):
    """What happened is kept in .soak/WAY: a soak that was stopped goes on where it was."""
    done = subprocess.run([sys.executable, "-m", "tests.soak", "--way", way], cwd=TOP, check=False)
    assert done.returncode == 0, "1: something did not hold; 3: not finished, run it again"
