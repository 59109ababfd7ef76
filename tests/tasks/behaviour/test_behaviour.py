"""Behaviour tests: what may stand in the file, what a change does to a text, and what passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.behaviour import BehaviourTest, Expectation, Rewrite, read_behaviour_tests
from tasks.behaviour.changes import apply_change
from tasks.core.errors import UserError
from tasks.evaluate.behaviour_results import behaviour_results
from tasks.score.behaviour_tests import behaviour, cases
from tasks.score.predict import Predicted

LABELS = ["ham", "spam"]
TEXTS = [f"the meeting number{i} is about money and John" + " prize" * (i % 3) for i in range(40)]


def predict(texts):
    """Spam grows with every lower-case prize."""
    spam = np.array([min(0.9, 0.2 + 0.4 * text.count("prize")) for text in texts])
    return Predicted(LABELS, np.column_stack([1 - spam, spam]).reshape(-1, 2), np.empty((len(texts), 1), "f4"), 0)


def known():
    return dict(zip(TEXTS, predict(TEXTS).probabilities, strict=True))


def share(test):
    told, failed = behaviour_results([test], behaviour([test], known(), predict), LABELS)
    assert len(failed) == told[0]["cases"] - told[0]["passed"]
    return told[0]


def test_the_shipped_file_is_read_and_its_names_are_those_of_the_sample():
    tests = read_behaviour_tests(Path("behaviour.yaml"))
    assert {"same"} < {test.expect if isinstance(test.expect, str) else test.expect.label_named for test in tests}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tests: [{name: a, expect: same}]", "name a change"),
        ("tests: [{name: a, expect: {label: spam}}]", "needs texts"),
        ("tests: [{name: a, expect: same, change: shout}]", "change"),
        ("tests: [{name: a, expect: same, change: {prepent: x}}]", "prepent"),
        ("tests: [{name: a, expect: {label: ham, not_lower: ham}, texts: [x]}]", "exactly one"),
        ("tests: [{name: a, expect: same, change: typos}, {name: a, expect: same, change: typos}]", "two tests"),
        ("tests: [", "not valid YAML"),
        ("- name: a", "tests is missing"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path, text, words):
    (tmp_path / "behaviour.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_behaviour_tests(tmp_path / "behaviour.yaml")
    with pytest.raises(UserError, match="tests: "):
        read_behaviour_tests(tmp_path / "none.yaml")


def test_changes_are_the_same_each_time_and_leave_the_rest_alone():
    text = "Wonderful mornings in London,\nsays John; johnson does not"
    for change in ("typos", "spacing", "upper_case", "lower_case"):
        once = apply_change(text, change)
        assert once == apply_change(text, change) != text
    assert sorted(apply_change(text, "typos")) == sorted(text)
    assert apply_change(text, "spacing").split() == text.split()
    swapped = apply_change(text, Rewrite(replace={"john": r"\1 Ana"}, append="!"))
    assert swapped == "Wonderful mornings in London,\nsays \\1 Ana; johnson does not!"


def test_only_texts_that_the_change_alters_are_tried_spread_evenly():
    test = BehaviourTest(name="t", change=Rewrite(replace={"prize": "award"}), expect="same", rows=5)
    tried = cases(test, TEXTS)
    assert len(tried) == 5 and all("prize" in before and "prize" not in after for before, after in tried)
    assert tried[0][0] == TEXTS[1] and tried[-1][0] == TEXTS[38]
    assert share(BehaviourTest(name="t", change=Rewrite(replace={"absent": "x"}), expect="same"))["share"] is None


def test_shares_that_pass_are_those_of_a_model_whose_behaviour_is_known():
    assert share(BehaviourTest(name="a", change="spacing", expect="same"))["share"] == 1.0
    shouted = share(BehaviourTest(name="b", change="upper_case", expect="same", at_least=0.9))
    assert shouted["passed"] == sum(text.count("prize") == 0 for text in TEXTS) and shouted["target_met"] is False
    more, up = Rewrite(prepend="prize "), Expectation(not_lower="spam")
    assert share(BehaviourTest(name="c", change=more, expect=up))["share"] == 1.0
    assert (
        share(BehaviourTest(name="d", change=more, expect=Expectation(not_lower="ham")))["passed"] == 13
    )  # spam at most
    assert (
        share(BehaviourTest(name="e", change=more, expect=Expectation(not_higher="ham"), at_least=1.0))["target_met"]
        is True
    )
    plain = share(BehaviourTest(name="f", texts=("prize", "prize prize", "no"), expect=Expectation(label="spam")))
    assert (plain["passed"], plain["kind"]) == (2, "minimum functionality")
    assert plain["interval"][0] < 2 / 3 < plain["interval"][1]


def test_a_text_runs_through_the_model_once_and_a_known_one_not_at_all():
    ran = []
    tests = [BehaviourTest(name=name, change="upper_case", expect="same") for name in ("a", "b")]
    table = behaviour(tests, known(), lambda texts: ran.extend(texts) or predict(texts))
    assert sorted(ran) == sorted(text.upper() for text in TEXTS)
    assert len(table) == 2 * 2 * 40
    assert len(behaviour((), {}, predict)) == 0


def test_a_test_that_names_an_unknown_label_is_told_as_not_tried():
    test = BehaviourTest(name="a", texts=("x",), expect=Expectation(label="eggs"), at_least=1.0)
    assert not test.applies_to(LABELS)
    told, failed = behaviour_results([test], behaviour((), known(), predict), LABELS)
    assert (told[0]["unknown_label"], told[0]["share"], told[0]["target_met"], len(failed)) == (True, None, None, 0)
