"""The benchmark of the data stages by the number of rows: what it makes and says."""

from __future__ import annotations

from itertools import islice

from bench.scale.__main__ import ROWS, SLOTS, plain, table, template_like, write_source
from tasks.ingest.decoding import Opening
from tasks.ingest.delimited import read_delimited_parts
from tasks.ingest.streams import Budget


def test_rows_are_as_many_as_are_asked_for_and_the_same_each_time(tmp_path):
    for make in ROWS.values():
        assert len(list(make(1234))) == 1234 and list(make(50)) == list(make(50))
    write_source(tmp_path / "rows.csv", "plain", 700)
    assert sum(part.records for part in read_delimited_parts(tmp_path / "rows.csv", Opening(Budget(10**9)), ",")) == 700


def test_rows_of_a_template_differ_in_the_words_of_their_own():
    texts = [text.split() for text in islice(template_like(2000), 2000)]
    first = texts[0]
    like = [text for text in texts[1:] if len(text) == len(first) and sum(map(str.__ne__, text, first)) <= 2 * SLOTS]
    assert len(like) > 5
    assert len(set(plain(500))) == 500


def test_the_table_says_each_stage_by_the_million():
    said = table({"plain/300000": {"split": {"seconds": 6.0, "megabytes": 500}}})
    assert "| 300,000 | plain | `split` | 6.0 | 20.0 | 500 |" in said
