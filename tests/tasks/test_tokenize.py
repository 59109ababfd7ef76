"""Tokens are the tokenizer's own, row for row, and what cuts them is saved with it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.tables import read_table
from tasks.dataset.schema import TOKENS
from tasks.modelling.checkpoints import checkpoint
from tasks.tokenize import Params, label_ids, metrics, prepared, print_shares, tokenize, tokens
from tests.support.mails import labelled

LENGTH = 8


def splits(**given):
    train = labelled(("free money", "spam"), ("meeting monday thanks", "ham"), ("win " * 30, "spam"), ("", "ham"))
    return {"train": train, "validation": labelled(("a patch", "ham")), "test": labelled(("prize", "spam"))} | given


@pytest.fixture
def source(tiny_checkpoint):
    return checkpoint.Checkpoint(str(tiny_checkpoint))


@pytest.fixture
def tokenizer(source):
    return prepared(source, Params(max_length=LENGTH))


def test_the_tables_hold_what_the_saved_tokenizer_makes_of_the_texts(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    given_splits = splits()
    tokenize(given_splits, tokenizer, tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    for name, table in given_splits.items():
        made = read_table(tmp_path / f"{name}.parquet")
        assert made.schema == TOKENS
        assert made["id"] == table["id"]
        assert made["input_ids"].to_pylist() == saved(table["text"].to_pylist(), truncation=True)["input_ids"]
    labels = read_json(tmp_path / "labels.json")["labels"]
    assert labels == ["ham", "spam"]
    assert [labels[i] for i in read_table(tmp_path / "train.parquet")["label"].to_pylist()] == [
        "spam", "ham", "spam", "ham",
    ]  # fmt: skip


@pytest.mark.proof
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_the_share_cut_is_the_share_of_texts_that_are_longer_uncut(tokenizer, texts):
    made, cut = tokens(labelled(*((text, "a") for text in texts)), "train", tokenizer, {"a": 0})
    whole = [len(tokenizer(text, truncation=False)["input_ids"]) for text in texts]
    assert cut == sum(length > LENGTH for length in whole)
    assert [len(ids) for ids in made["input_ids"].to_pylist()] == [min(length, LENGTH) for length in whole]


def test_unknown_tokens_are_a_share_of_those_that_are_not_special(tokenizer):
    made, _ = tokens(labelled(("free 漢 字 money", "a"), ("", "a")), "train", tokenizer, {"a": 0})
    assert metrics(made, 0, tokenizer) == {"rows": 2, "tokens": 8, "truncated_share": 0.0, "unknown_share": 0.5}


def test_a_language_the_checkpoint_does_not_know_is_pointed_out(capsys):
    shares = {"rows": 1, "tokens": 1, "truncated_share": 0.0, "unknown_share": 0.04}
    print_shares("train", shares)
    assert "warning" not in capsys.readouterr().out
    print_shares("train", shares | {"unknown_share": 0.06})
    assert "warning: 6.0% of the tokens of train are unknown" in capsys.readouterr().out


def test_the_side_that_is_cut_is_a_choice(source):
    text = "free money win prize click offer meeting"
    ends = {}
    for side in ("right", "left"):
        tokenizer = prepared(source, Params(max_length=5, truncation_side=side))
        made, cut = tokens(labelled((text, "a")), "train", tokenizer, {"a": 0})
        assert cut == 1
        ends[side] = tokenizer.decode(made["input_ids"][0].as_py(), skip_special_tokens=True)
    assert ends == {"right": "free money win", "left": "click offer meeting"}


def test_the_same_bytes_twice_and_no_files_but_these(source, tmp_path):
    def digests(folder):
        tokenize(splits(), prepared(source, Params(max_length=LENGTH)), folder)
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    first = digests(tmp_path / "one")
    assert first == digests(tmp_path / "another place")
    assert set(first) == {
        "labels.json", "train.parquet", "validation.parquet", "test.parquet",
        "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train": labelled(("x", "ham"), ("y", "ham"))}, ["only 'ham'", "needs two"]),
        ({"train": labelled()}, ["no label at all", "0 rows"]),
        ({"validation": labelled(("x", None))}, ["validation.parquet", "without a label"]),
        ({"train": labelled(("x", "ham"), ("y", "spam"), (None, "ham"))}, ["train.parquet", "row 2 has no text"]),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_refused(tokenizer, tmp_path, changed, words):
    with pytest.raises(UserError) as refusal:
        tokenize(splits(**changed), tokenizer, tmp_path)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_labels_are_numbered_by_name_not_by_arrival():
    table = labelled(("x", "b"), ("y", "a"), ("z", "c"))
    assert label_ids({"train": table}) == {"a": 0, "b": 1, "c": 2}


def test_more_tokens_than_the_model_takes_are_refused(source):
    with pytest.raises(UserError, match=r"tokenize\.max_length is 65, but .* takes 64"):
        prepared(source, Params(max_length=65))


def test_rows_of_a_label_that_train_lacks_are_left_out_and_said(tokenizer, tmp_path, capsys):
    held_out = labelled(("a patch", "ham"), ("x", "eggs"))
    tokenize(splits(validation=held_out, test=held_out), tokenizer, tmp_path)
    said = capsys.readouterr().out
    for name in ("validation", "test"):
        assert read_table(tmp_path / f"{name}.parquet")["label"].to_pylist() == [0]
        assert f"{name}: 1 of 2 rows have labels that train lacks" in said
    assert read_json(tmp_path / "labels.json") == {"labels": ["ham", "spam"]}


def test_where_no_validation_row_can_be_learnt_train_rows_take_its_place(tokenizer, tmp_path, capsys):
    tokenize(splits(validation=labelled(("x", "eggs"), ("y", "milk"))), tokenizer, tmp_path)
    train, validation = (read_table(tmp_path / f"{name}.parquet") for name in ("train", "validation"))
    assert validation.to_pylist() == train.slice(0, 2).to_pylist()
    assert "warning: validation has no row of train's labels: 2 train rows take its place" in capsys.readouterr().out
