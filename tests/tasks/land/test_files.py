"""Files from outside land as their own bytes, each once; a file that grew lands what was appended."""

from __future__ import annotations

import gzip
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.land import files
from tasks.land.limits import Limits
from tests.support.landing import landed, tree


def parts(name="mail"):
    return [file.read_bytes() for file in sorted(Path("data/landing", name).iterdir())]


def names(name="mail"):
    return [f"{file.name[:7]}{file.name.partition('.')[2]}" for file in sorted(Path("data/landing", name).iterdir())]


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


HOSTILE = b'text,label\n"NA\x00\xff ""x\r\ny",ham\n\xef\xbb\xbfnull,spam'


def test_files_land_in_name_order_byte_for_byte_and_new_ones_come_after(outside):
    (outside / "b.csv").write_bytes(HOSTILE)
    (outside / "c.jsonl.gz").write_bytes(gzip.compress(b"{}\n", mtime=0))
    landed(source=f"{outside}/*")
    before = tree()
    assert parts() == [HOSTILE, gzip.compress(b"{}\n", mtime=0)]
    assert names() == ["000001-csv", "000002-jsonl.gz"]
    landed(source=f"{outside}/*")
    assert tree() == before
    (outside / "a.csv").write_bytes(b"text,label\nlate,ham\n")
    landed(source=f"{outside}/*.csv")
    assert names() == ["000001-csv", "000002-jsonl.gz", "000003-csv"]
    assert before.items() <= tree().items()


def test_a_folder_and_a_relative_path_and_nested_globs(outside, repository):
    (outside / "deep").mkdir()
    (outside / "deep" / "x.tsv").write_text("text\na\n")
    landed("folder", source=str(outside / "deep"))
    landed("nested", source=f"../{outside.name}/**/*.tsv")
    landed("single", source=f"../{outside.name}/deep/x.tsv")
    assert parts("folder") == parts("nested") == parts("single") == [b"text\na\n"]


line = st.lists(st.sampled_from(["a,ham", "é,spam", "NA,ham"]), min_size=1, max_size=4)


@pytest.mark.proof
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights=st.lists(line, min_size=1, max_size=5), extension=st.sampled_from(["csv", "jsonl"]))
def test_a_file_that_grows_lands_every_line_once(tmp_path_factory, monkeypatch, nights, extension):
    top = tmp_path_factory.mktemp("grow")
    monkeypatch.chdir(top)
    header = b"text,label\n" if extension == "csv" else b""
    written = "{}\r\n" if header else '{{"x": "{}"}}\n'
    nights = ["".join(map(written.format, night)) for night in nights]
    file = top / f"log.{extension}"
    file.write_bytes(header)
    for night in nights:
        with file.open("ab") as log:
            log.write(night.encode())
        for _ in range(2):
            landed(source=str(file))
    landed_lines = b"".join(part.removeprefix(header) for part in parts())
    assert landed_lines == "".join(nights).encode()
    assert all(part.startswith(header) for part in parts())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"t,l\na,b\n", b"t,l\nA,b\nc,d\n"),
        (b"t,l\na,b", b"t,l\na,bc\n"),
        (b't,"l\nm"\na,b\n', b't,"l\nm"\na,b\nc,d\n'),
        ("\ufefft\na\n".encode("utf-16-be"), "\ufefft\na\nb\n".encode("utf-16-be")),
    ],
)
def test_a_file_that_changed_in_another_way_lands_whole_and_says_so(outside, first, second):
    file = outside / "x.csv"
    file.write_bytes(first)
    landed(source=str(file))
    file.write_bytes(second)
    _, notes = landed(source=str(file))
    assert parts() == [first, second]
    assert "changed in more than appended lines" in notes[0]
    file.write_bytes(first)
    assert landed(source=str(file))[1] == []
    assert parts() == [first, second]


def test_a_file_of_a_glob_that_seems_to_have_grown_is_told(outside):
    (outside / "x.csv").write_text("t\na\n")
    landed(source=f"{outside}/*.csv")
    (outside / "x.csv").write_text("t\na\nb\n")
    assert "x.csv begins with all of 000001-" in landed(source=f"{outside}/*.csv")[1][0]


def make_fifo(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_device(path):
    path.symlink_to("/dev/zero")


def make_loop(path):
    path.symlink_to(path)


def make_dangling(path):
    path.symlink_to("/nowhere/at/all")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [make_fifo, make_folder, make_device, make_loop, make_dangling])
def test_what_is_no_regular_file_is_refused_before_anything_lands(outside, make):
    (outside / "a.csv").write_text("t\na\n")
    make(outside / "b.csv")
    with pytest.raises(UserError, match=r"mail: .*b\.csv (is no regular file|cannot be read)"):
        landed(source=f"{outside}/*.csv")
    assert tree() == {}


def test_a_pipe_that_takes_a_files_place_does_not_hang(outside, monkeypatch):
    (outside / "a.csv").write_text("t\na\n")
    status = (outside / "a.csv").stat()
    (outside / "a.csv").unlink()
    os.mkfifo(outside / "a.csv")
    monkeypatch.setattr(files, "require_regular", lambda file, where: status)
    with pytest.raises(UserError, match="changed while it was read"):
        landed(source=str(outside / "a.csv"))


def test_a_link_to_a_regular_file_is_followed(outside):
    (outside / "real").write_text("t\na\n")
    (outside / "a.csv").symlink_to(outside / "real")
    landed(source=f"{outside}/a.csv")
    assert parts() == [b"t\na\n"]


def test_a_file_that_grows_while_it_is_read_is_refused(outside, monkeypatch):
    file = outside / "a.csv"
    file.write_text("t\na\n")

    def and_grow(*_):
        with file.open("a") as more:
            more.write("b\n")

    monkeypatch.setattr(Limits, "spend_bytes", and_grow)
    with pytest.raises(UserError, match="changed while it was read"):
        landed(source=str(file))
    assert tree() == {}


@pytest.mark.parametrize(
    ("file", "source", "words"),
    [
        ("a.csv", "*.tsv", "no file matches"),
        ("a.csv", "b.csv", r"b\.csv cannot be read: No such file"),
        ("README", "*", r"README is not csv, tsv, json"),
        ("a.csv.zip", "*", r"a\.csv\.zip is not"),
    ],
)
def test_what_cannot_be_landed_is_refused(outside, file, source, words):
    (outside / file).write_text("x")
    with pytest.raises(UserError, match=f"mail: .*{words}"):
        landed(source=f"{outside}/{source}")


def test_an_empty_file_is_told_and_a_dry_run_lands_nothing(outside):
    (outside / "a.csv").touch()
    (outside / "b.csv").write_text("t\na\n")
    run, notes = landed(source=f"{outside}/*.csv", dry=True)
    assert (run.added, notes) == (["000001.csv"], ["a.csv is empty"])
    assert tree() == {}


def test_two_landings_of_one_source_do_not_meet(outside, monkeypatch):
    (outside / "a.csv").write_text("t\na\n")
    inside, go_on = threading.Event(), threading.Event()
    copy = files.copy_unchanged

    def slowly(*arguments):
        inside.set()
        go_on.wait(10)
        copy(*arguments)

    monkeypatch.setattr(files, "copy_unchanged", slowly)
    first = threading.Thread(target=landed, kwargs={"source": f"{outside}/a.csv"})
    first.start()
    inside.wait(10)
    started = time.monotonic()
    with pytest.raises(UserError, match="another landing of it is running"):
        landed(source=f"{outside}/a.csv")
    assert time.monotonic() - started < 5
    go_on.set()
    first.join()
    assert parts() == [b"t\na\n"]


def test_files_of_one_name_in_two_folders_both_land(outside):
    for folder, text in (("a", b"text,label\nfirst,ham\n"), ("b", b"text,label\nsecond,ham\n")):
        (outside / folder).mkdir()
        (outside / folder / "x.csv").write_bytes(text)
    landed(source=f"{outside}/**/*.csv")
    assert parts() == [b"text,label\nfirst,ham\n", b"text,label\nsecond,ham\n"]
