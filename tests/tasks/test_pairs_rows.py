"""Pairs of texts as rows: ingest, validate, split, behaviour tests, drift and what a person labels. No model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import ingest
from tasks.core.errors import UserError
from tasks.core.rows import BETWEEN, contents
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.dataset.schema import RAW_PAIRS
from tasks.dataset.windows import Columns, WindowRange, Windows
from tests.support.pairs import pairs

ROLES = {"text": "premise", "text_pair": "hypothesis", "label": "label"}


def read(folder, monkeypatch, rows, **columns):
    """A csv of premise, hypothesis and label as ``ingest`` reads it: the rows and the figures."""
    from tasks.ingest import windows
    from tasks.ingest.__main__ import read_window

    monkeypatch.chdir(folder)
    table = pa.table([list(column) for column in zip(*rows, strict=True)], ["premise", "hypothesis", "label"])
    pyarrow.csv.write_csv(table, folder / "rows.csv")
    section = ingest.Params(source="rows.csv", columns=Columns(**(columns or ROLES)))
    return read_window(windows.plan("reference", Windows(current=WindowRange(source="none")), section))


def test_both_texts_are_kept_and_the_id_is_of_both(tmp_path, monkeypatch):
    said = [("a", "b", "x"), ("b", "a", "x"), ("a", "c", "x"), ("a", "b", "x"), ("a", "", "x")]
    rows, figures = read(tmp_path, monkeypatch, said)
    assert rows.schema == RAW_PAIRS and figures["rows"] == len(rows) == 5, "no record is lost"
    assert list(zip(rows["text"].to_pylist(), rows["text_pair"].to_pylist(), strict=True)) == [row[:2] for row in said]
    ids = rows["id"].to_pylist()
    assert len(set(ids)) == 5 and ids[3] == ids[0].replace("-0", "-1"), "only the repeated pair shares its hash"
    single, _ = read(tmp_path, monkeypatch, said, text="premise", label="label")
    assert single.column_names[-1] == "hypothesis" and "text_pair" not in single.column_names


def test_a_further_column_of_that_name_is_no_second_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("text,text_pair,label\na,b,x\n")
    from tasks.ingest import windows
    from tasks.ingest.__main__ import read_window

    rows, _ = read_window(windows.plan("reference", Windows(), ingest.Params(source="rows.csv")))
    assert rows["source_text_pair"].to_pylist() == ["b"] and contents(rows) == ["a"]


def test_columns_that_cannot_be_pairs_are_refused_by_their_key(tmp_path, monkeypatch):
    from tasks.ingest import windows

    with pytest.raises(ValueError, match="named as another part"):
        Columns(text="a", text_pair="a")
    with pytest.raises(ValueError, match="not beside image"):
        Columns(image="a", text_pair="b")
    with pytest.raises(UserError, match=r"no column 'second', which ingest\.columns\.text_pair names"):
        read(tmp_path, monkeypatch, [("a", "b", "x")], text="premise", text_pair="second", label="label")
    section = ingest.Params(source="rows.csv", columns=Columns(**ROLES))
    one = Windows(current=WindowRange(source="new.csv", columns=Columns(text="premise")))
    with pytest.raises(UserError, match="named for one window only"):
        windows.plan("reference", one, section)


def raw(rows, label="a"):
    """Raw rows of (text, text_pair) or (text, text_pair, label)."""
    rows = [(*row, label)[:3] for row in rows]
    columns = {name: [None] * len(rows) for name in RAW_PAIRS.names}
    columns |= {"id": [f"r{i}" for i in range(len(rows))], "source_file": ["f"] * len(rows)}
    columns |= {"source_row": range(len(rows)), "text": [row[0] for row in rows]}
    columns |= {"text_pair": [row[1] for row in rows], "label": [row[2] for row in rows]}
    return pa.table(columns, schema=RAW_PAIRS)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Validate rows in a folder of their own: the rows that passed, reasons by id, figures."""
    from tasks.validate import Params
    from tasks.validate.__main__ import validate

    monkeypatch.chdir(tmp_path)

    def judge(rows, **section):
        where = WindowPaths(tmp_path / "reference")
        section = Params(**{"max_quarantined": 1.0, "min_rows": 0, "min_classes": 0} | section)
        figures = validate(raw(rows), section, "reference", where)
        left = read_table(where.quarantine)
        return (
            read_table(where.validated),
            dict(zip(left["id"].to_pylist(), left["reasons"].to_pylist(), strict=True)),
            figures,
        )

    return judge


@pytest.mark.slow
def test_rules_hold_for_both_texts_and_copies_are_of_the_pair(judged):
    rows = [
        ("same", "one"),
        ("same", "two"),  # another second text: no copy
        ("one", "same"),  # the other order: no copy
        ("Same ", "ONE"),  # but for case and space
        ("fine", None),
        (None, "fine"),
        ("fine", "  "),
        ("fine", "far too long a text for this"),
        ("far too long a text for this", "fine"),
        ("same", "two", "b"),  # labelled otherwise
        ("fine", "bell\a"),
    ]
    passed, reasons, figures = judged(rows, max_characters=20, forbidden_characters=["control"])
    assert passed["id"].to_pylist() == ["r0", "r2"]
    assert reasons == {
        "r1": ["conflicting_label"],
        "r3": ["duplicate_text"],
        "r4": ["text_pair_missing"],
        "r5": ["text_missing"],
        "r6": ["text_pair_too_short"],
        "r7": ["text_pair_too_long"],
        "r8": ["text_too_long"],
        "r9": ["conflicting_label"],
        "r10": ["character_not_allowed"],
    }
    assert figures["validated"] + figures["quarantined"] == len(rows)


@pytest.mark.slow
def test_personal_data_are_redacted_in_both_texts(judged):
    rows = [("write to a@example.org", "or to b@example.org"), ("nothing", "call +44 20 7946 0958"), ("x y", "z")]
    passed, _, figures = judged(rows, privacy="redact")
    assert contents(passed) == [("write to [mail]", "or to [mail]"), ("nothing", "call [phone]"), ("x y", "z")]
    assert figures["personal_data"] == {"mail": 1, "phone": 1}, "rows, not texts"
    _, reasons, _ = judged(rows, privacy="quarantine")
    assert reasons == {"r0": ["personal_data"], "r1": ["personal_data"]}


def split(rows, **section):
    from tasks.split import Params
    from tasks.split.__main__ import split as run

    tables, figures = run(rows, Params(**section), 7)
    return {name: contents(table) for name, table in tables.items()}, figures


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from("mnopqrst")), min_size=60, max_size=120))
def test_no_first_text_is_in_two_splits_and_no_row_is_lost(drawn):
    rows = [(f"{a} first {a}", f"{b} second {i}") for i, (a, b) in enumerate(drawn)]
    try:
        tables, _ = split(raw(rows))
    except UserError as error:  # so few first texts that one split got none
        assert "share a first text" in str(error)
        return
    assert sorted(row for its in tables.values() for row in its) == sorted(rows)
    seen = {name: {text for text, _ in tables[name]} for name in ("train", "validation", "test")}
    assert not seen["train"] & seen["test"] and not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


def test_case_and_space_make_no_other_first_text_and_a_second_one_may_recur():
    rows = [(f"Word{i // 2}  here" if i % 2 else f"word{i // 2} HERE", f"yes{i % 3}") for i in range(200)]
    tables, figures = split(raw(rows))
    folded = {name: {" ".join(text.lower().split()) for text, _ in its} for name, its in tables.items()}
    assert not folded["train"] & folded["test"]
    assert figures["text_pair_in_train"] == {name: len(tables[name]) for name in ("validation", "test")}
    apart, _ = split(raw([(f"word{i}", f"yes{i % 40}") for i in range(200)]), group="text_pair")
    assert not {b for _, b in apart["train"]} & {b for _, b in apart["test"]}


def test_rows_that_are_appended_move_none():
    rows = contents(pairs(120))
    before, _ = split(raw(rows[:90]))
    after, _ = split(raw(rows))
    assert all(set(before[name]) <= set(after[name]) for name in before)


def test_a_behaviour_test_changes_both_texts_and_says_how_pairs_are_written():
    from tasks.behaviour import BehaviourTest
    from tasks.score.behaviour_tests import behaviour, cases

    change = {"name": "loud", "change": "upper_case", "expect": "same"}
    test = BehaviourTest(**change, texts=[["a b", "c d"]])
    assert cases(test, []) == [(("a b", "c d"), ("A B", "C D"))]

    class Answer:
        labels = ("x",)

        def __init__(self, texts):
            self.probabilities = np.ones((len(texts), 1))

    found = behaviour([test], {}, Answer, pair=True)
    assert found.column_names == ["test", "case", "part", "text", "text_pair", "probability_x"]
    assert found["text_pair"].to_pylist() == ["c d", "C D"]
    assert behaviour([], {}, Answer, pair=True).column_names[3:5] == ["text", "text_pair"]
    with pytest.raises(UserError, match=r"loud: the model reads pairs: write each of its texts as \[text, text_pair\]"):
        behaviour([BehaviourTest(**change, texts=["alone"])], {}, Answer, pair=True)


def test_drift_sees_a_change_of_the_second_text_alone():
    from tasks.drift import Params
    from tasks.drift.rows import rows_from_table
    from tasks.drift.verdict import drift_verdict

    before, after = pairs(150, 1), pairs(150, 2)
    longer = pa.array([text * 3 for text in after["text_pair"].to_pylist()])
    moved = after.set_column(after.column_names.index("text_pair"), "text_pair", longer)
    sides = [rows_from_table(table, None, None, "here") for table in (before, after, moved)]
    signals = [drift_verdict(sides[0], side, Params(permutations=199), 7)["signals"] for side in sides[1:]]
    assert "text: words" in signals[0] and not signals[0]["text: words of text_pair"]["alarm"]
    assert signals[1]["text: words of text_pair"]["alarm"] and not signals[1]["text: words"]["alarm"]
    assert sides[0].text[0].as_py() == BETWEEN.join(contents(before)[0])
    assert sides[0].take(np.array([3])).read_for_words[0].as_py() == BETWEEN.join(contents(before)[3])


def test_words_of_a_second_text_count_behind_a_long_first_one():
    from tasks.drift.descriptors import cleaned
    from tasks.drift.rows import rows_from_table

    rows = rows_from_table(pa.table({"text": ["long " * 2000], "text_pair": ["needle"]}), None, None, "here")
    assert "needle" in cleaned(rows.read_for_words)[0]


def test_what_is_shown_of_a_row_shows_both_texts():
    from tasks.report.answers import shown
    from tasks.validate.pages import shown as in_data_docs

    row = {"text": "one a@b.org", "text_pair": "two", "source_bytes": None}
    assert in_data_docs(row) == shown(("one a@b.org", "two"))[0] == "one [mail] | two"


def test_init_takes_a_second_text_by_being_told_only():
    from flows.start.roles import propose

    rows = pa.table(
        {
            "premise": [f"a man walks down street {i}" for i in range(40)],
            "hypothesis": [f"somebody is out there {i}" for i in range(40)],
            "label": ["yes", "no"] * 20,
        }
    )
    assert propose(rows, {"text": "premise"}).columns.text_pair is None
    found = propose(rows, {"text": "premise", "text_pair": "hypothesis"})
    assert found.columns == Columns(**ROLES) and "text_pair: hypothesis, as you said" in found.evidence
    with pytest.raises(UserError, match="--text-pair: no column 'other'"):
        propose(rows, {"text_pair": "other"})
