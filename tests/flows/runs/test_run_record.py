"""What a record says of a run that was late, a retry or a duplicate: in a line, and by tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.pipeline.result import Result
from flows.runs.run_record import OVERDUE, Device, EarlierTry, RunRecord

DUE = datetime(2026, 11, 23, 2, tzinfo=UTC)


def run(late=timedelta(), outcome="completed", stages=("ran",), earlier=()):
    began = DUE + late
    return RunRecord(
        name="training-mails-1",
        flow="scheduled-training",
        outcome=outcome,
        started=began,
        ended=began + timedelta(minutes=5),
        repository="/nowhere",
        commit="a" * 40,
        params_sha256=None,
        inputs={},
        versions={},
        device=Device(cpu="x", threads=1, gpus=()),
        host="here",
        stages=tuple(Result(f"stage{number}", one, "", 0.0) for number, one in enumerate(stages)),
        due=DUE,
        earlier=earlier,
    )


FAILED = EarlierTry(outcome="failed: finetune failed\nits log", started=DUE, ended=DUE, commit="b" * 40)


@pytest.mark.parametrize(
    ("found", "words", "marks"),
    [
        (run(), "completed", []),
        (run(late=OVERDUE), "completed", []),
        (run(late=timedelta(hours=3, minutes=5)), "completed, started 3:05 h late", ["late"]),
        (run(late=timedelta(days=2)), "completed, started 2 days, 0:00 h late", ["late"]),
        (run(stages=("unchanged", "unchanged")), "completed, nothing had changed", []),
        (run(stages=("unchanged", "restored")), "completed", []),
        (run(outcome="failed: x", stages=("unchanged",)), "failed: x", []),
        (
            run(earlier=(FAILED,), late=timedelta(hours=9)),
            "completed at try 2; before: failed: finetune failed",
            ["retry"],
        ),
        (run(outcome="cancelled: by a person"), "cancelled: by a person", []),
    ],
)
def test_a_line_and_tags_tell_runs_apart(found, words, marks):
    assert (found.in_words(), found.marks) == (words, marks)
    assert RunRecord.read(found.model_dump_json(), "here") == found


def test_the_next_try_knows_this_one():
    (first, second) = run(outcome="failed: again", earlier=(FAILED,)).tries()
    assert (first, second.outcome) == (FAILED, "failed: again")
