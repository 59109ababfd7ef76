"""No traceback of Prefect's engine where a state has said what was wrong; a bug keeps its own."""

from __future__ import annotations

import logging
import sys

import pytest
from prefect import flow, task
from prefect.exceptions import FailedRun
from prefect.states import Failed

import flows  # noqa: F401  (which has every message cleaned)


def logged(caplog, error=None):
    """What is printed of a message with an error, or with none where one was expected."""
    logger = logging.getLogger("prefect.engine")
    try:
        if error:
            raise error
    except Exception:
        logger.exception("Engine execution exited with unexpected exception")
    else:
        logger.error("Task run failed with state", exc_info=sys.exc_info())
    return logging.Formatter().format(caplog.records[-1])


def test_a_run_that_failed_as_its_state_says_prints_no_traceback(caplog):
    assert logged(caplog, FailedRun("failed: finetune failed")) == "the run has ended, as its state says"
    assert logged(caplog) == "Task run failed with state"


@task
def refused():
    """As a stage that says what was wrong."""
    return Failed(message="rows.csv has no column 'label'")


@pytest.mark.slow
def test_a_failed_task_says_what_was_wrong_once(api, caplog):
    @flow
    def run():
        refused(return_state=True)
        return "done"

    with caplog.at_level(logging.INFO):
        run()
    said = [record.getMessage() for record in caplog.records if record.name == "prefect.task_runs"]
    assert sum("no column 'label'" in line for line in said) == 1
    assert said[-1] == "Finished in state Failed"


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), RuntimeError("FailedRun")])
def test_a_bug_prints_its_traceback(caplog, error):
    said = logged(caplog, error)
    assert said.startswith("Engine execution exited") and "Traceback" in said and type(error).__name__ in said


def test_outputs_that_a_new_clone_has_not_made_yet_are_no_warning(caplog):
    logger = logging.getLogger("dvc_data.index.checkout")
    logger.warning("No file hash info found for '%s'. It won't be created.", "a")
    logger.warning("Checkout failed for '%s'.", "b")
    assert [record.getMessage() for record in caplog.records] == ["Checkout failed for 'b'."]
