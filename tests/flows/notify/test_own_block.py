"""The worked example of docs/architecture.md: a notification channel of one's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.processes import TOP

pytestmark = pytest.mark.slow

SAVE = "from notification_blocks import ToFile; ToFile(path={path!r}).save('team')"
SEND = "from flows.notify.notifications import send; assert send('tofile/team', 'drift', 'look at it')"


def example():
    """The class as the page shows it."""
    page = (TOP / "docs/architecture.md").read_text(encoding="utf-8")
    return page.split("<!-- run: a notification channel -->\n```python\n")[1].split("```")[0]


def test_a_process_that_never_saw_the_block_sends_through_it(tmp_path, api):
    (tmp_path / "notification_blocks.py").write_text(example(), encoding="utf-8")
    told = tmp_path / "told.txt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(TOP)])}
    for code in (SAVE.format(path=str(told)), SEND):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=300)
    assert told.read_text(encoding="utf-8") == "drift\nlook at it\n"
