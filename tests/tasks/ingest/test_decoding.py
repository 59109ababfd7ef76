"""Which encoding a file is read in, and what is said of it."""

from __future__ import annotations

import pytest

from tasks.core.errors import UserError
from tasks.ingest import dialect
from tasks.ingest.decoding import Notes, Opening, open_text
from tasks.ingest.streams import Budget
from tasks.ingest.time_formats import parser

WORDS = "text,label\nähnlich,a\n"


def read(path, encoding=None):
    with open_text(path, Opening(Budget(1 << 20), encoding), newline="") as file:
        return file.lines.read(), file.encoding, file.marked


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_without_a_mark_is_refused_with_the_key_that_reads_it(tmp_path, order):
    file = tmp_path / "a.csv"
    file.write_bytes(WORDS.encode(f"utf-16-{order}"))
    with pytest.raises(UserError, match=f"`encoding: utf-16-{order}` under ingest"):
        read(file)
    assert read(file, f"utf-16-{order}") == (WORDS, f"utf-16-{order}", False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_mark_decides_whatever_is_named(tmp_path, encoding):
    file = tmp_path / "a.csv"
    file.write_bytes(f"\ufeff{WORDS}".encode(encoding))
    for named in (None, "utf-16-be", "utf-8"):
        assert read(file, named) == (WORDS, encoding, True)


def test_what_is_said_of_a_file_is_said_once():
    notes = Notes()
    for words in ("", "delimiter ';'", "UTF-8, not cp1252", "delimiter ';'"):
        notes.add("a.csv", words)
    notes.add("b.csv", "")
    assert notes.dialects == {"a.csv": "delimiter ';', UTF-8, not cp1252"}


@pytest.mark.parametrize("zone", ["Z", " Z", "UTC", " UTC", " GMT", "+00:00", " +00:00", "+0000", "-00:00"])
def test_iso_names_utc_in_every_way(zone):
    moment = parser("iso")(f"2025-01-31T10:00{zone}")
    assert moment and (moment.isoformat(), parser("iso")("2025-01-31T10:00").tzinfo) == (
        "2025-01-31T10:00:00+00:00",
        None,
    )


@pytest.mark.parametrize("beyond", [-1, 0, 1, 20])
def test_where_the_first_look_ends_makes_no_difference(monkeypatch, beyond):
    """What disputes the quotes stands behind the lines that are looked at first."""
    plain = "text\tlabel\n" + "".join(f"line {i}\t{'ab'[i % 2]}\n" for i in range(40))
    content = (plain + '"open\ta\ninside\tb\nclosed"\ta\n').encode()
    whole = dialect.detect(content)
    assert whole.refusal
    monkeypatch.setattr(dialect, "HEAD_CHARACTERS", len(plain) + beyond)
    assert dialect.detect(content) == whole
