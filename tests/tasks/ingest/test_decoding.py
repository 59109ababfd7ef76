"""Which encoding a file is read in, and what is said of it."""

from __future__ import annotations

import pytest

from tasks.core.errors import UserError
from tasks.ingest import dialect
from tasks.ingest.decoding import Notes, Opening, open_text
from tasks.ingest.dialect_params import FileKeys
from tasks.ingest.streams import Budget

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


def test_a_file_in_utf_8_is_read_so_whatever_all_files_are_named(tmp_path):
    """Looking spends nothing of the budget: it is as large as the file."""
    for name, content, encoding in (
        ("utf8.csv", WORDS.encode(), "utf-8"),
        ("plain.csv", b"text,label\nx,a\n", "cp1252"),
        ("other.csv", WORDS.encode("cp1252"), "cp1252"),
    ):
        (tmp_path / name).write_bytes(content)
        opening = Opening(Budget(len(content)), "cp1252")
        with open_text(tmp_path / name, opening, newline="") as file:
            assert (file.lines.read(), file.encoding) == (content.decode(encoding), encoding)
        said = {(tmp_path / name).as_posix(): "UTF-8, not cp1252"} if name == "utf8.csv" else {}
        assert opening.notes.dialects == said


def test_what_could_be_either_of_two_encodings_is_refused(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("é".encode())  # in Shift JIS two small katakana
    with pytest.raises(UserError, match=r"can be read as UTF-8 and as shift_jis.*encoding: utf-8"):
        read(file, "shift_jis")
    file.write_bytes("Ā".encode())  # in Shift JIS nothing
    assert read(file, "shift_jis") == ("Ā", "utf-8", False)


def test_the_encoding_of_one_file_goes_before_that_of_all(tmp_path):
    (tmp_path / "a.csv").write_bytes(WORDS.encode("cp1252"))
    for named in (None, "utf-8", "cp437"):
        opening = Opening(Budget(1 << 20), named, files={"a.csv": FileKeys(encoding="cp1252")})
        with open_text(tmp_path / "a.csv", opening, newline="") as file:
            assert file.lines.read() == WORDS


def test_what_is_said_of_a_file_is_said_once():
    notes = Notes()
    for words in ("", "delimiter ';'", "UTF-8, not cp1252", "delimiter ';'"):
        notes.add("a.csv", words)
    notes.add("b.csv", "")
    assert notes.dialects == {"a.csv": "delimiter ';', UTF-8, not cp1252"}


@pytest.mark.parametrize("beyond", [-1, 0, 1, 20])
def test_where_the_first_look_ends_makes_no_difference(monkeypatch, beyond):
    """What disputes the quotes stands behind the lines that are looked at first."""
    plain = "text\tlabel\n" + "".join(f"line {i}\t{'ab'[i % 2]}\n" for i in range(40))
    content = (plain + '"open\ta\ninside\tb\nclosed"\ta\n').encode()
    whole = dialect.detect(content)
    assert whole.refusal
    monkeypatch.setattr(dialect, "HEAD_CHARACTERS", len(plain) + beyond)
    assert dialect.detect(content) == whole


@pytest.mark.parametrize(
    ("content", "trailing"),
    [
        (b"text,label\nx,a,\ny,b,\nz,a,\n", True),
        (b"text,label\nx,a,\ny,b\nz,a,\n", False),
        (b"text,label\nx,a\ny,b\nz,a\n", False),
        (b"text,label,\nx,a\ny,b\nz,a\n", False),
    ],
)
def test_records_end_with_a_delimiter_only_where_each_does(content, trailing):
    found = dialect.detect(content, names=("text", "label"))
    assert found.dialect.trailing is trailing
    assert found.columns == (("text", "label", "") if trailing else ("text", "label"))
