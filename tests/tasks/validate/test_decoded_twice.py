"""Texts that were decoded twice are found, counted and named with their file and row; others are not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tasks.validate.decoded_twice import decoded_twice, sentences

TWICE = ["cafÃ©", "itâ€™s", "Â£5", "ÐŸÑ€Ð¸Ð²ÐµÑ‚"]
OTHERS = ["café", "NÃO", "“Spaß”", "à", "日本語", "\x83I\x81i\x82c ê", None, ""]


@pytest.mark.parametrize(
    "text", [*TWICE, "write to a@b.org: cafÃ©", *(one.encode().decode("latin-1") for one in TWICE)]
)
def test_a_text_decoded_twice_or_more_is_found(text):
    assert decoded_twice(pa.chunked_array([[None, text]])) == [1]


@pytest.mark.parametrize("text", OTHERS)
def test_other_texts_are_not(text):
    assert decoded_twice(pa.chunked_array([[text]], pa.string())) == []


def test_the_sentence_counts_them_and_shows_the_first_with_its_place():
    texts = [*OTHERS, "le cafÃ© noir", "itâ€™s"]
    table = pa.table({"text": texts, "source_file": ["a.csv"] * len(texts), "source_row": range(len(texts))})
    (said,) = sentences(table, decoded_twice(table["text"]))
    assert said.startswith("texts that look as if decoded twice: 2, such as 'cafÃ©' (a.csv, row 8): ")
    assert list(sentences(table, [])) == []
