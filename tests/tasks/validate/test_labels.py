"""Labels that look alike are said with their counts, and merged only by a written rule."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import UserError
from tasks.core.params import parse
from tasks.core.paths import PARAMS
from tasks.dataset.layout import WindowPaths
from tasks.dataset.schema import RAW
from tasks.validate import Params, profile
from tasks.validate.__main__ import validate
from tasks.validate.label_looks import look
from tasks.validate.labels import find_look_alikes, merge_labels

WORDS = st.text(st.characters(categories=["Ll", "Lo"], exclude_characters="ıİßŉǰΐΰև"), min_size=1, max_size=8)
DISGUISES = [
    str.upper,
    str.title,
    lambda label: f"{label} ",
    lambda label: f"\u00a0{label}\ufeff",
    lambda label: f"{label[0]}\u200b{label[1:]}",
    lambda label: unicodedata.normalize("NFD", label),
    lambda label: unicodedata.normalize("NFC", label),
    lambda label: f"{label}\r",
    lambda label: f"“{label}”",
    lambda label: f"'{label}'",
]


@pytest.mark.proof
@given(label=WORDS, disguise=st.sampled_from(DISGUISES))
def test_a_label_in_disguise_looks_like_itself(label, disguise):
    assert look(disguise(label)) == look(label)


@given(number=st.integers(-(10**9), 10**9), zeros=st.integers(0, 3))
def test_a_number_looks_the_same_however_it_is_written(number, zeros):
    sign, digits = ("-" if number < 0 else ""), str(abs(number))
    assert look(f"{sign}{'0' * zeros}{digits}.{'0' * zeros}0") == look(str(number))


@pytest.mark.proof
@given(one=st.integers(0, 10**6), two=st.integers(0, 10**6))
def test_different_numbers_look_different(one, two):
    assert (look(str(one)) == look(f"{two}.0")) == (one == two)


@pytest.mark.parametrize(
    "labels",
    [
        ("spam", "ham"),
        ("c", "c++"),
        ("1", "1.5"),
        ("cafe", "café"),
        ("a b", "ab"),
        ("yes", "1"),
        ("v1", "v1.0"),
        ("1-2", "1 2"),
    ],
)
def test_labels_that_differ_to_the_eye_are_no_finding(labels):
    assert find_look_alikes(dict.fromkeys(labels, 1)).figures() == {}


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "0.0", "-0", "-0.0", "00", "False", "false"),
        ("1", "1.0", "1,0", "1e0", "1E+00", "+1", "True", "TRUE"),
        ("1000", "1,000", "1,000.0", "1e3"),
        ("e-mail", "e–mail", "e\u2011mail", "e mail", "e_mail", "E-Mail"),
        ("spam", "s\u0440am", "sp\u0430m", "\u0455pam", "'spam'", "“spam”", "\ufeffspam"),
        ("HAM", "\u041d\u0410\u041c", "ham"),
        ("don't know", "don’t know", "Don`t know".replace("`", "\u02bc")),
    ],
)
def test_labels_of_one_meaning_are_one_group_however_they_are_written(labels):
    (group,) = find_look_alikes(dict.fromkeys(labels, 1)).look_alikes
    assert set(group) == set(labels)


def test_groups_are_said_with_counts_and_the_rule_that_merges_them():
    counts = {"spam": 30, "Spam": 2, "spam\u200b": 1, "ham": 20, "1": 5, "1.0": 7, "n/a": 3}
    alike, missing = find_look_alikes(counts).sentences()
    assert "'spam' 30, 'Spam' 2, 'spam\\u200b' 1; '1.0' 7, '1' 5" in alike
    assert 'validate.merge_labels: {"Spam": "spam", "spam\\u200b": "spam", "1": "1.0"}' in alike
    assert "'n/a' 3" in missing
    assert 'validate.merge_labels: {"n/a": null}' in missing


def rows(*labels):
    texts = [f"text number {i} about {'abc'[i % 3]}" for i in range(len(labels))]
    table = {
        "id": [f"r{i}" for i in range(len(labels))],
        "text": texts,
        "label": list(labels),
        "timestamp": [None] * len(labels),
        "source_file": ["m.csv"] * len(labels),
        "source_row": list(range(len(labels))),
        "source_bytes": [None] * len(labels),
        "problem": [None] * len(labels),
    }
    return pa.table(table, schema=RAW)


def test_only_a_written_rule_merges_and_every_row_of_it_is_counted():
    merged, counts = merge_labels(rows("spam", "Spam", "n/a", None, "Spam"), {"Spam": "spam", "n/a": None, "x": "y"})
    assert merged["label"].to_pylist() == ["spam", "spam", None, None, "spam"]
    assert counts == {"Spam": 2, "n/a": 1}
    same = rows("spam", "Spam")
    assert merge_labels(same, {}) == (same, {})


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"merge_labels": {"a": "b", "b": "c"}}, "becomes another"),
        ({"merge_labels": {"a": "a"}}, "becomes another"),
        ({"merge_labels": {"Spam": "spam"}, "labels": ["ham"]}, "none of labels"),
        ({"labels": [1.5, 2]}, '"1.5" in quotes'),
        ({"labels": [True, False]}, '"true" in quotes'),
        ({"labels": [1, "1"]}, "named twice"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(section, words):
    with pytest.raises(ValidationError, match=words):
        Params(**section)


def test_a_value_of_an_earlier_release_is_refused_with_the_new_one():
    with pytest.raises(UserError, match=r"validate.privacy: mask is now validate.privacy: redact: rename it, or run"):
        parse(Params, {"privacy": "mask"}, "validate", PARAMS)


def test_whole_numbers_are_the_labels_that_they_write():
    assert Params(labels=[1, 2]).labels == ["1", "2"]


def test_a_number_that_is_none_is_missing():
    table = rows("a", "b", "a").append_column("age", pa.array([1.0, float("nan"), None]))
    table = table.append_column("size", pa.array(["1", "NaN", ""]))
    section = Params(required=["age", "size"], columns={"size": "number"})
    seen = profile.observe(table, section, {})
    assert [x if isinstance(x, str) else None for x in seen["columns_empty"]] == [None, "age, size", "age, size"]


@pytest.fixture
def where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return WindowPaths(Path("data/reference"))


@pytest.mark.slow
def test_findings_stand_in_the_figures_and_on_the_page(where):
    table = rows(*["spam"] * 5, "Spam", *["ham"] * 4, "n/a")
    figures = validate(table, Params(merge_labels={"n/a": None}), "reference", where)
    assert figures["look_alike_labels"] == [{"spam": 5, "Spam": 1}]
    assert figures["merged_labels"] == {"n/a": 1}
    assert figures["reasons"] == {"label_missing": 1}
    page = (where.data_docs / "index.html").read_text(encoding="utf-8")
    assert "labels that look alike: &#39;spam&#39; 5, &#39;Spam&#39; 1" in page
    assert figures["findings"][0].startswith("labels that look alike: 'spam' 5, 'Spam' 1")


@pytest.mark.slow
def test_too_many_quarantined_names_the_largest_reasons_with_a_row_and_a_key(where):
    table = rows("spam", "ham", *["Spam"] * 4, *[None] * 3)
    with pytest.raises(UserError) as refusal:
        validate(table, Params(labels=["spam", "ham"], min_rows=0), "reference", where)
    said = str(refusal.value).splitlines()
    assert "share_quarantined is 0.7778" in said[0]
    assert said[1].startswith("4 label_not_allowed, such as the label 'Spam' (m.csv, row 2): add the label to")
    assert said[2].startswith("3 label_missing, such as the label None (m.csv, row 6): label them")
    assert "'Spam' 4, 'spam' 1" in said[3]
