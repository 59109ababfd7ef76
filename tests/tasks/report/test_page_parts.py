"""The parts of the page that a person decides by: target, accuracy over windows, thresholds, texts of a confusion."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tasks.report import Params, answers, target, timeline
from tasks.report.render import render
from tests.support.report_inputs import answered, inputs

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def ordinary():
    return inputs()


@pytest.mark.parametrize(
    ("least", "met", "title"), [(0.8, True, "Met"), (0.9, None, "Reached, but not for sure"), (0.99, False, "Missed")]
)
def test_a_target_is_met_by_the_interval_and_not_by_the_figure(ordinary, least, met, title):
    figures = ordinary.evaluate | {"macro_f1": 0.92, "behaviour": []}
    figures["intervals"] = figures["intervals"] | {"macro_f1": [0.85, 0.97]}
    assert target.met(figures, least) is met
    assert target.on_target(figures, least).title == title


@pytest.mark.proof
def test_a_missed_test_is_a_missed_target_and_no_target_says_which_key_states_one(ordinary):
    found = target.on_target(ordinary.evaluate, None)
    assert "`report.target_macro_f1`" in found.text and "1 of 2 behavioural tests" in found.text
    assert found.title == "A test missed"
    page = render(ordinary, Params(target_macro_f1=0.5))
    assert "Macro-F1 of at least 0.500" in page


def past(ordinary, windows):
    distances = [
        {"from": (START + i * DAY).isoformat(), "until": (START + (i + 1) * DAY).isoformat(), **its}
        for i, its in enumerate(windows)
    ]
    performance = ordinary.drift["performance"] | {
        "measured_accuracy": 0.8,
        "measured_interval": [0.7, 0.9],
        "measured_rows": 80,
    }
    drift = ordinary.drift | {"distances": {"current": {}, "past": distances[::-1]}, "performance": performance}
    return replace(ordinary, drift=drift)


@pytest.mark.proof
def test_accuracy_over_windows_is_in_order_of_time_and_within_the_drawing(ordinary):
    found = past(ordinary, [{"labelled": 50, "right": right} for right in (50, 45, 40)] + [{"labelled": 0, "right": 0}])
    strip = timeline.accuracy_strip(found)
    assert [round(point.value, 2) for point in strip.points] == [1.0, 0.9, 0.8, 0.8]
    assert [point.current for point in strip.points] == [False, False, False, True]
    for point in strip.points:
        assert 0 <= point.top <= point.y <= point.top + point.height + 0.02 <= 100.05
        assert 0 < point.x < 100
    assert "Accuracy from window to window" in render(found, Params())
    assert "Accuracy from window to window" not in render(ordinary, Params())


@pytest.mark.parametrize(("right", "rows"), [(0, 10), (10, 10), (5, 10), (990, 1000)])
def test_the_interval_of_a_share_holds_it_and_stays_a_share(right, rows):
    low, high = timeline.wilson(right, rows)
    assert 0 <= low <= right / rows <= high <= 1


def test_label_shares_are_of_the_rows_of_each_window(ordinary):
    when = [START + i * DAY / 2 for i in range(8)]
    labels = ["ham", "spam", "ham", "ham", "spam", "spam", "ham", "spam"]
    dated = pa.table({"label": labels, "timestamp": pa.array(when, pa.timestamp("us", tz="UTC"))})
    found = replace(past(ordinary, [{"labelled": 2, "right": 2}] * 3), dated=dated)
    names, shares = timeline.label_shares(found)
    assert set(names) == {"ham", "spam"}
    ham = [its.shares[names.index("ham")][0] for its in shares]
    assert ham[:3] == [0.5, 1.0, 0.0] and ham[3] == 300 / 450
    assert [its.rows for its in shares] == [2, 2, 2, 450]


@pytest.mark.proof
def test_every_wrong_cell_leads_to_texts_of_it(ordinary):
    page = render(ordinary, Params())
    linked, there = re.findall(r'href="#(confused-\d+-\d+)"', page), re.findall(r'id="(confused-\d+-\d+)"', page)
    counts = np.array(ordinary.evaluate["confusion"]["counts"])
    assert sorted(linked) == sorted(there) and len(there) == np.count_nonzero(counts - np.diag(counts.diagonal())) > 0
    for (truth, said), examples in answers.mistaken(ordinary.answers).items():
        assert truth != said and 1 <= len(examples) <= answers.EXAMPLES
    assert "confused-" not in render(replace(ordinary, answers=None), Params())


def test_a_text_of_a_confusion_is_masked(ordinary):
    column = pa.array(["write to jane@example.org or 555123"] * len(ordinary.answers))
    place = ordinary.answers.column_names.index("text")
    page = render(replace(ordinary, answers=ordinary.answers.set_column(place, "text", column)), Params())
    assert "jane" not in page and "555123" not in page and "write to [mail] or ######" in page


def test_a_higher_threshold_acts_on_fewer_rows_and_counts_add_up():
    rows = answered(["ham", "spam"])
    rows = rows.set_column(
        rows.column_names.index("confidence"), "confidence", pa.array(np.linspace(0.4, 1, len(rows)))
    )
    found = answers.trade_off(rows)
    assert found[0].rows == len(rows) and found[0].coverage == 1
    assert [its.rows for its in found] == sorted((its.rows for its in found), reverse=True)
    wrong = Counter(a != b for a, b in zip(rows["prediction"].to_pylist(), rows["label"].to_pylist(), strict=True))
    assert found[0].wrong == wrong[True]
    for its in found:
        assert its.accuracy is None or its.accuracy == pytest.approx(1 - its.wrong / its.rows)


def test_curves_end_where_they_must_and_a_perfect_score_fills_the_square():
    score = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    perfect = pa.table({"label": ["a", "a", "b", "b", "b"], "probability_a": score, "probability_b": 1 - score})
    (curve,) = answers.curves(perfect, {"a": 1.0, "b": 1.0})
    assert curve.label == "a" and curve.share == 0.4
    points = [tuple(map(float, pair.split(","))) for pair in curve.roc.split()]
    assert points[0] == (0.0, 100.0) and points[-1] == (100.0, 0.0) and (0.0, 0.0) in points
    precise = [tuple(map(float, pair.split(","))) for pair in curve.pr.split()]
    assert (100.0, 0.0) in precise and precise[-1] == (100.0, 60.0)
    assert len(answers.curves(answered(["a", "b", "c", "d", "e"]), dict.fromkeys("abcde", 0.5))) == answers.MAX_CURVES
