"""One sentence for a window: from whether the data changed and what became of the accuracy."""

from __future__ import annotations

import pytest

from tasks.recommendation import accuracy, recommendation


def drift(drifted=True, significant=True, **performance):
    before = {"reference_accuracy": 0.95, "reference_interval": [0.93, 0.97], "measured_rows": 500}
    rows = {"reference": 900, "current": 500}
    return {
        "drifted": drifted,
        "significant": significant,
        "signals": {},
        "rows": rows,
        "performance": {**before, **performance},
    }


def measured(value, half):
    return {"measured_accuracy": value, "measured_interval": [value - half, value + half]}


def estimated(value, half):
    return {"estimated_accuracy": value, "interval": [value - half, value + half]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (drift(None, None), "cannot be told"),
        (drift(False, False, **measured(0.95, 0.02)), "the data are as before"),
        (drift(**measured(0.96, 0.01)), "accuracy held: nothing to do"),
        (drift(**measured(0.89, 0.02)), "6.0 points of accuracy are lost: refit"),
        (drift(False, False, **measured(0.89, 0.02)), "6.0 points of accuracy are lost: refit"),
        (drift(**measured(0.93, 0.06), measured_rows=60), "not ruled out: label more of its rows"),
        (drift(**measured(0.93, 0.06)), "not ruled out: look at the next window"),
        (drift(**estimated(0.89, 0.02)), "an estimated 6.0 points of accuracy are lost: label some rows"),
        (drift(**estimated(0.95, 0.02)), "accuracy held by the estimate: label a few rows"),
    ],
)
def test_the_window_gets_one_recommendation(found, said):
    assert said in recommendation(found)


def test_labels_count_more_than_estimates_and_without_either_nothing_is_said_of_accuracy():
    both = drift(**measured(0.89, 0.02), **estimated(0.95, 0.01))
    assert accuracy(both).answer == "lost" and "measured on 500 labelled rows" in accuracy(both).text
    assert accuracy(drift()).answer == "unknown" and recommendation(drift()) == "the data have changed"
    nothing = {**drift(), "performance": dict.fromkeys(("reference_accuracy", "reference_interval"))}
    assert accuracy(nothing).answer == "unknown"
