"""The reports of a recorded run are there again after its clone was pruned."""

from __future__ import annotations

import shutil

import pytest

from flows.machine.git import git
from flows.runs.record import records
from flows.runs.reports import folder_of
from flows.scheduled_training import scheduled_training
from tasks.core.errors import UserError
from tasks.report import INDEX

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STAGE = """
  report:
    cmd: python step.py reports/index.html first.txt
    deps: [first.txt]
    outs: [reports/index.html]
"""


def test_a_pruned_clone_comes_back_with_its_reports_and_one_without_any_is_refused(api, deployed):
    (deployed.origin / "dvc.yaml").write_text((deployed.origin / "dvc.yaml").read_text() + STAGE)
    git(deployed.origin, "commit", "-qam", "a report")
    for stages in (["report"], ["second"]):
        scheduled_training(str(deployed.origin), stages=stages, return_state=True)
    without, past = records(deployed.origin)
    made = (deployed.clones / past.name / INDEX).read_bytes()
    shutil.rmtree(deployed.clones)
    folder = folder_of(deployed, past.name)
    assert (folder / INDEX).read_bytes() == made
    assert not (folder / "first.txt").exists()  # the reports alone
    with pytest.raises(UserError, match=f"{without.name} has no reports/index.html"):
        folder_of(deployed, without.name)
    with pytest.raises(UserError, match="holds no record of a run 'nobody'"):
        folder_of(deployed, "nobody")
