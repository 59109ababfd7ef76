"""A model that is bad in a way macro-F1 hides is called so: collapse, the majority, measures that contradict it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.report import standing, verdict
from tests.support.report_inputs import inputs


@pytest.fixture(scope="module")
def ordinary():
    return inputs()


def figures(ordinary, counts=((50, 10), (10, 50)), difference=(-0.05, 0.05), accuracy=(0.7, 0.9), **differences):
    """With a confusion matrix and intervals of the differences to the baseline."""
    shifted = {name: sum(ends) / 2 for name, ends in differences.items()}
    of = ordinary.evaluate["intervals"]
    none = {key: [-0.1, 0.1] for key in of["differences"]}
    intervals = {
        **of,
        "difference": list(difference),
        "accuracy": list(accuracy),
        "differences": {**none, **differences},
    }
    return ordinary.evaluate | {
        "confusion": {"labels": ["negative", "positive"], "counts": [list(line) for line in counts]},
        "differences": {**ordinary.evaluate["differences"], **shifted},
        "intervals": intervals,
    }


def test_a_model_that_says_one_label_nearly_always_has_collapsed(ordinary):
    its = figures(ordinary, counts=((8, 92), (4, 96)), roc_auc=[-0.2, -0.08])
    found = verdict.on_model(its)
    assert found.tone == "bad" and found.title == "Collapsed"
    assert "says “positive” to 94" in found.clause and "not significantly" not in found.clause
    assert "of which 50.0\N{NO-BREAK SPACE}% have that label" in found.text


def test_who_has_one_label_nearly_always_may_say_it_nearly_always(ordinary):
    assert standing.collapse(figures(ordinary, counts=((5, 1), (2, 92)))) is None


def test_an_accuracy_not_shown_to_beat_the_majority_is_called_so(ordinary):
    its = figures(ordinary, counts=((88, 0), (12, 0)), accuracy=(0.8, 0.93))
    assert standing.majority(its) == standing.Majority("negative", 0.88)
    assert "beat always answering “negative”" in verdict.on_model(its).title
    fine = figures(ordinary, counts=((60, 20), (5, 15)), accuracy=(0.81, 0.9))
    assert "not shown to be more" not in verdict.on_model(fine).text
    assert "Always answering “negative” would be right on 80.0" in verdict.on_model(fine).text


@pytest.mark.parametrize(
    ("others", "title", "tone"),
    [
        ({"roc_auc": [-0.2, -0.08]}, "Worse than the baseline", "bad"),
        ({"log_loss": [0.1, 0.2]}, "Worse than the baseline", "bad"),
        ({"log_loss": [-0.2, -0.1]}, "Not better by macro-F1", "notice"),
        ({"roc_auc": [-0.2, -0.1], "log_loss": [-0.2, -0.1]}, "The measures contradict each other", "notice"),
        ({"calibration_error": [0.1, 0.2]}, "Not significantly better than the baseline", "notice"),
    ],
)
def test_where_macro_f1_tells_nothing_the_other_measures_decide(ordinary, others, title, tone):
    found = verdict.on_model(figures(ordinary, **others))
    assert (found.title, found.tone) == (title, tone)


def test_a_measure_that_speaks_against_macro_f1_is_named(ordinary):
    its = figures(ordinary, difference=(0.01, 0.05), log_loss=[0.1, 0.3])
    found = verdict.on_model(its)
    assert found.title == "Better than the baseline" and "By log loss (+0.200) it is worse" in found.text
    assert "contradict" not in verdict.on_model(figures(ordinary, difference=(0.01, 0.05))).text


@pytest.mark.parametrize(("last", "said"), [(0.1, True), (0.195, False), (0.3, False)])
def test_a_loss_that_still_falls_is_called_under_trained(ordinary, last, said):
    curves = [
        record | {"validation_loss": loss} for record, loss in zip(ordinary.curves, (0.3, 0.2, last), strict=True)
    ]
    found = replace(ordinary, curves=curves)
    steps = " ".join(step.text for step in verdict.steps(found, *verdict.findings(found)))
    assert ("under-trained" in steps) == said
