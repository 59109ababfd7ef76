"""A part that is wrong is retired: it stays, with the reason, and ingest reads on without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tasks.land.retire import retire
from tests.support.landing import database, landed, tree

WHY = "labels of another queue"


def read(key=None):
    section = Params(source="data/landing/mail", columns=Columns(text="text", label="label", id=key))
    rows, figures = read_window(plan("reference", Windows(), section))
    return rows["text"].to_pylist(), figures.get("retired")


@pytest.fixture
def drops(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},ham\n")
    landed(source=f"{tmp_path}/*.csv")
    return tmp_path


def name_of(number):
    return next(Path("data/landing/mail").glob(f"{number:06}-*")).name


@pytest.mark.parametrize("given", ["data/landing/mail/000002", "mail/000002", "data/landing/mail/{name}"])
def test_ingest_reads_on_without_a_retired_part_and_the_record_says_why(drops, given):
    assert read() == (["a", "b", "c"], None)
    before = tree()
    name = name_of(2)
    retire(given.format(name=name), f" {WHY} ")
    assert read() == (["a", "c"], {name: WHY})
    assert before.items() <= tree().items()
    assert name_of(4).endswith(".retired")


def test_what_was_retired_does_not_land_again_and_new_parts_come_after(drops):
    retire("mail/000002", WHY)
    assert landed(source=f"{drops}/*.csv")[0].added == []
    (drops / "b.csv").write_text("text,label\nb,spam\n")
    assert landed(source=f"{drops}/*.csv")[0].added == ["000005.csv"]
    assert read()[0] == ["a", "c", "b"]


def test_a_file_that_grows_goes_on_after_one_of_its_parts_was_retired(tmp_path):
    file = tmp_path / "log.csv"
    lines = "text,label\na,ham\n"
    for more in ("b,ham\n", "c,ham\n"):
        file.write_text(lines)
        landed(source=str(file))
        lines += more
    retire("mail/000001", WHY)
    file.write_text(lines)
    parts, notes = landed(source=str(file))
    assert (parts.added, notes) == (["000004.csv"], [])
    assert read()[0] == ["b", "c"]


def test_rows_of_a_retired_part_are_not_read_from_the_database_again(tmp_path):
    source = database(tmp_path / "x.db", [(1, "a", "ham"), (2, "b", "ham")])
    landed(source=source, table="mail")
    database(tmp_path / "x.db", [(3, "c", "ham")])
    landed(source=source, table="mail")
    retire("mail/000001", WHY)
    database(tmp_path / "x.db", [(4, "d", "ham")])
    parts, notes = landed(source=source, table="mail")
    assert (parts.rows, notes) == (1, [])
    assert read("id")[0] == ["c", "d"]


@pytest.mark.parametrize(
    ("part", "reason", "words"),
    [
        ("mail/000002", " ", "say in a few words"),
        ("mail/000009", WHY, "names 0 parts"),
        ("mail/0000", WHY, "names 3 parts"),
        ("other/000001", WHY, "not in a landing"),
        ("000001", WHY, "not in a landing"),
    ],
)
def test_what_cannot_be_retired_is_refused(drops, part, reason, words):
    before = tree()
    with pytest.raises(UserError, match=words):
        retire(part, reason)
    assert tree() == before


def test_a_part_is_retired_once_and_not_all_of_them_can_be(drops):
    retire("mail/000001", WHY)
    with pytest.raises(UserError, match=f"is retired already: {WHY}"):
        retire("mail/000001", "again")
    retire("mail/000002", WHY)
    retire("mail/000003", WHY)
    with pytest.raises(UserError, match=r"every part of data/landing/mail is retired: land what is right"):
        read()


def test_a_record_of_retirement_that_was_changed_is_refused(drops):
    retire("mail/000001", WHY)
    next(Path("data/landing/mail").glob("*.retired")).write_text("{}")
    with pytest.raises(UserError, match="is no record of a retired part"):
        read()
    with pytest.raises(UserError, match="its bytes have changed"):
        landed(source=f"{drops}/*.csv")
