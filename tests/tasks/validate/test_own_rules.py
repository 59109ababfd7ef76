"""Expectations that a team adds hold rows with their own reason, and releases let them pass."""

from __future__ import annotations

import pytest

from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.validate import Params, own_rules
from tasks.validate.rules import Rule
from tests.support.raw_rows import raw_table


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Validate rows with own rules: validated ids, reasons by id."""
    from tasks.validate.__main__ import validate

    monkeypatch.chdir(tmp_path)

    def judge(rows, *rules, released=()):
        monkeypatch.setattr(own_rules, "RULES", rules)
        where = WindowPaths(tmp_path / "reference")
        section = Params(max_quarantined=1.0, min_rows=0, min_classes=0)
        validate(rows, section, "reference", where, frozenset(released))
        left = read_table(where.quarantine)
        reasons = dict(zip(left["id"].to_pylist(), left["reasons"].to_pylist(), strict=True))
        return read_table(where.validated)["id"].to_pylist(), reasons

    return judge


ROWS = raw_table(["one text", "another", "a third"], subject=["hello", None, "RE: x"])
MISSING = Rule("subject_missing", "ExpectColumnValuesToNotBeNull", "subject")
SHOUTED = Rule("subject_shouted", "ExpectColumnValuesToNotMatchRegex", "subject", {"regex": "^RE:"})


@pytest.mark.slow
def test_rows_that_break_an_own_rule_are_quarantined_and_can_be_released(judged):
    assert judged(ROWS) == (["r0", "r1", "r2"], {})
    assert judged(ROWS, MISSING, SHOUTED) == (["r0"], {"r1": ["subject_missing"], "r2": ["subject_shouted"]})
    released = [("r1", "subject_missing")]
    assert judged(ROWS, MISSING, SHOUTED, released=released) == (["r0", "r1"], {"r2": ["subject_shouted"]})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule("gone", "ExpectColumnValuesToNotBeNull", "gone"), "the rows have no column 'gone'"),
        (Rule("short", "ExpectColumnValuesToBeBetween", "characters", {"min_value": 9}), "another rule has this"),
        (Rule("label_missing", "ExpectColumnValuesToBeInSet", "subject", {"value_set": []}), "another rule has this"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_by_name(judged, rule, message):
    with pytest.raises(UserError, match=f"own_rules.py: {rule.reason}: {message}"):
        judged(ROWS, rule)
