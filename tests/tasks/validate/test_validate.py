"""Every raw row ends in exactly one table, with the reasons that its faults have; a table rule stops the run."""

from __future__ import annotations

import re
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.validate import Params
from tasks.validate.duplicates import find_copies, normalised
from tasks.validate.pages import POLICY
from tests.support.raw_rows import with_problems


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Validate rows in a folder of their own: (validated ids, reasons by id, figures)."""
    from tasks.validate.__main__ import validate

    monkeypatch.chdir(tmp_path)

    def judge(rows, params=None, window="reference"):
        where = WindowPaths(tmp_path / window)
        figures = validate(with_problems(rows), params or Params(max_quarantined=1.0, min_rows=0), window, where)
        left = read_table(where.quarantine)
        reasons = dict(zip(left["id"].to_pylist(), left["reasons"].to_pylist(), strict=True))
        return read_table(where.validated)["id"].to_pylist(), reasons, figures

    return judge


@pytest.mark.slow
def test_each_fault_has_its_reason_and_no_row_is_lost(judged):
    rows = [
        ("good text", "a"),
        ("Good  TEXT", "a"),  # a copy but for case and space
        ("ﬁne print", "b"),
        ("fine print", "a"),  # the same in compatibility form, labelled otherwise
        ("   ", "a"),
        (None, "a"),
        (None, None, "record_unparseable"),
        ("no label", None),
        ("blank label", " "),
        ("strange", "c"),
        ("far too long a text for this", "a"),
        ("short", "b"),
    ]
    params = Params(labels=["a", "b"], max_characters=20, max_quarantined=1.0)
    passed, reasons, figures = judged(rows, params)
    assert passed == ["r0", "r11"]
    assert reasons == {
        "r1": ["duplicate_text"],
        "r2": ["conflicting_label"],
        "r3": ["conflicting_label"],
        "r4": ["text_too_short"],
        "r5": ["text_missing"],
        "r6": ["record_unparseable"],
        "r7": ["label_missing"],
        "r8": ["label_missing"],
        "r9": ["label_not_allowed"],
        "r10": ["text_too_long"],
    }
    assert figures["rows"] == 12 == figures["validated"] + figures["quarantined"]
    assert sum(figures["reasons"].values()) == 10


@pytest.mark.slow
def test_labels_may_come_later_in_the_current_window(judged):
    passed, reasons, _ = judged([("one", None), ("two", "a"), ("two", None)], window="current")
    assert passed == ["r0", "r1"]
    assert reasons == {"r2": ["duplicate_text"]}


@pytest.mark.slow
def test_a_failed_table_rule_says_what_where_and_how_much_and_leaves_no_validated_rows(judged, tmp_path):
    rows = [("one", "a"), ("two", "a"), ("three", "b"), (None, "b")]
    with pytest.raises(UserError) as refusal:
        judged(rows, Params(max_quarantined=0.1, min_rows=10, min_class_share=0.4))
    said = str(refusal.value)
    assert "max_quarantined: share_quarantined is 0.25, allowed is at most 0.1" in said
    assert "min_rows: rows_validated is 3, allowed is at least 10" in said
    assert "min_class_share: share_of_class of label 'b' is 0.3333, allowed is at least 0.4" in said
    assert "data_docs/reference/index.html" in said
    assert (tmp_path / "reports/data_docs/reference/index.html").exists()
    assert len(read_table(tmp_path / "reference/quarantine.parquet")) == 1
    assert not (tmp_path / "reference/validated.parquet").exists()


@pytest.mark.slow
def test_rows_without_a_time_are_held_and_do_not_stop_a_short_window(judged):
    undated = [(f"undated {i}", "a", "timestamp_unreadable") for i in range(6)]
    params = Params(max_quarantined=0.3, min_rows=0)
    passed, reasons, figures = judged([("one", "a"), ("two", "b"), ("three", "b"), *undated], params, "current")
    assert (len(passed), len(reasons), figures["share_quarantined"]) == (3, 6, 0.666667)
    with pytest.raises(UserError, match=r"share_quarantined is 0\.3333, allowed is at most 0\.3"):
        judged([("one", "a"), ("two", "b"), (None, "b"), *undated], params, "current")


@pytest.mark.slow
def test_one_class_is_nothing_to_learn_from(judged):
    with pytest.raises(UserError, match="min_classes: classes is 1, allowed is at least 2"):
        judged([("one", "a"), ("two", "a")], Params())
    assert len(judged([("one", "a"), ("two", None)], Params(), window="current")[0]) == 2


@pytest.mark.slow
def test_data_docs_need_no_web_and_run_no_script(judged, tmp_path):
    hostile = "</script><script>alert(1)</script> & ${x} $"
    _, reasons, _ = judged(
        [("one", hostile), ("two", "a&b"), ("three", "'<b>'")],
        Params(labels=["a&b", "'<b>'"], max_quarantined=1.0, min_class_share=0.1),
    )
    assert reasons == {"r0": ["label_not_allowed"]}
    site = tmp_path / "reports/data_docs/reference"
    pages = list(site.rglob("*.html"))
    assert len(pages) == 1 + 2 * 4  # the list, and for each suite its rules and what came of them
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.index(POLICY) < text.index("<title>")
        assert "<script>alert" not in text
    assert any("&lt;script&gt;alert" in page.read_text(encoding="utf-8") for page in pages)
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "<td>label_not_allowed</td><td>✗</td><td>1</td>" in front
    for link in re.findall("href='([^']*)'", front):
        assert (site / link).exists()
    assert {path.suffix for path in site.rglob("*") if path.is_file()} == {".html"}


@pytest.mark.slow
def test_a_window_without_rows_is_valid_and_empty(judged):
    passed, reasons, figures = judged([], Params(), window="current")
    assert (passed, reasons, figures["rows"]) == ([], {}, 0)


@pytest.mark.slow
def test_the_same_rows_give_the_same_bytes_in_every_time_zone(judged, tmp_path, monkeypatch):
    rows, seen = [("one", "a"), ("one", "a"), ("two", "b")], []
    for zone in ("UTC", "Asia/Kathmandu"):
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            judged(rows)
        time.tzset()
        seen.append({path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()})
        assert {".parquet", ".html"} <= {path.suffix for path in seen[-1]}
    assert seen[0] == seen[1]


@pytest.mark.proof
@given(
    st.lists(st.tuples(st.sampled_from(["a", "A ", "b", "ｂ", "c"]), st.sampled_from(["x", "y", None])), max_size=12)
)
def test_copies_are_what_comparing_all_pairs_says(rows):
    ids = [f"r{i}" for i in range(len(rows))]
    found = find_copies(ids, [text for text, _ in rows], [label for _, label in rows])
    found = {name: [None if pd.isna(v) else v for v in column] for name, column in found.items()}
    for i, (text, label) in enumerate(rows):
        same = [j for j, (other, _) in enumerate(rows) if normalised(other) == normalised(text)]
        assert found["copy_of"][i] == (ids[same[0]] if same[0] != i else None)
        labels = {rows[j][1] for j in same} - {None}
        assert (found["conflicts_with"][i] is not None) == (len(labels) > 1)
        if (witness := found["conflicts_with"][i]) is not None:
            assert rows[ids.index(witness)][1] not in (label, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"min_characters": 5, "max_characters": 2}, "max_characters"), ({"labels": ["a", "a"]}, "twice")],
)
def test_a_contract_that_contradicts_itself_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Params(**values)


@pytest.mark.slow
def test_the_same_rows_give_the_same_data_docs_at_any_time(judged, tmp_path):
    rows = [("one", "a"), ("two", "b"), ("One", "a"), ("three", None)]
    site = tmp_path / "reports/data_docs/reference"
    made = []
    for _ in range(2):
        judged(rows)
        made.append({page.relative_to(site): page.read_bytes() for page in site.rglob("*") if page.is_file()})
    assert made[0] == made[1]
