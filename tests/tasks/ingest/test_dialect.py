"""What is proposed for a file, with its evidence and doubts, and what is said of files that are not plain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.core.params import parse
from tasks.dataset.windows import Columns, Windows
from tasks.ingest import Params, statements
from tasks.ingest.__main__ import read_window
from tasks.ingest.dialect import detect
from tasks.ingest.dialect_params import DialectKeys, FileKeys
from tasks.ingest.encodings import guesses
from tasks.ingest.reading import Reading
from tasks.ingest.windows import plan

PLAIN = "".join(f"line {i}\t{'ab'[i % 2]}\n" for i in range(12))
OPEN = ("text\tlabel\n" + PLAIN + '"open\ta\ninside\tb\nclosed"\ta\n').encode()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(written, **section):
    """The rows of a folder, its figures, and what is said."""
    for name, content in written.items():
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data", name).write_bytes(content)
    section = Params.model_validate({"source": "data", "columns": Columns(text="text", label="label"), **section})
    reading = Reading(plan("reference", Windows(), section))
    rows, figures = read_window(reading.plan, reading)
    return rows, figures, list(statements.sentences(reading.opening))


@pytest.mark.parametrize(
    ("content", "changed", "columns"),
    [
        (b"text,label\nx,a\n", {}, ("text", "label")),
        (b"text;label\nx;a\ny;b\n", {"delimiter": ";"}, ("text", "label")),
        (b"Report\n\ntext|label\nx|a\ny|b\n", {"delimiter": "|", "header": 3}, ("text", "label")),
        (b"# note\ntext,label\nx,a\n# more\ny,b\n", {"header": 2, "comment": "#"}, ("text", "label")),
        (b"sep=;\ntext;label\nx;a\n", {"delimiter": ";", "header": 2}, ("text", "label")),
        (b"text,label\nx,a,\ny,b,\n", {"trailing": True}, ("text", "label", "")),
        (b"text,label\n'x, y',a\nz,b\n", {"quote": "'"}, ("text", "label")),
        (b'text,label\n"x",a\n"y" z,b\n"w" v,b\n', {"quoted": False}, ("text", "label")),
        (b'text,label\n"x \\"y, z\\"",a\nz,b\n', {"escape": "\\"}, ("text", "label")),
    ],
)
@pytest.mark.parametrize("names", [(), ("text", "label")])
def test_a_dialect_is_proposed_with_and_without_known_columns(content, changed, columns, names):
    found = detect(content, names=names)
    plain = detect(b"text,label\nx,a\n").dialect
    assert found.dialect == plain.model_copy(update=changed)
    assert found.columns == columns
    assert found.refusal is None
    assert found.evidence


def test_what_a_file_leaves_open_is_a_doubt_with_its_key():
    found = detect(OPEN, delimiter="\t")
    assert found.refusal in found.doubts
    assert "row 12" in found.refusal
    assert "13 or 15" in found.refusal
    assert detect(OPEN, delimiter="\t", keys=FileKeys(quoted=False)).refusal is None
    unsure = detect(b"Report,May\ntext,label\nx,a\n", names=("text", "label"))
    assert "`header: 2`" in unsure.refusal


@pytest.mark.proof
def test_a_proposal_needs_no_model_library():
    said = "import sys, tasks.ingest.dialect; print({'torch', 'great_expectations', 'transformers'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_only_what_is_not_plain_is_said_once_for_all_files_of_a_kind():
    files = {f"{name}.csv": b"text;label\nx;a\ny;b\n" for name in "abc"} | {"d.csv": b"text,label\nz,a\n"}
    _, figures, said = ingest(files)
    assert figures["dialects"] == {"delimiter ';'": 3}
    assert said == ["data/a.csv and 2 more: delimiter ';'"]
    assert "dialects" not in ingest(dict.fromkeys(files, b"text,label\nz,a\n"))[1]


def test_the_first_pattern_that_matches_wins_over_the_keys_of_all_files():
    files = {"eu/a.csv": b"text^label\nx^a\n", "b.csv": b"text~label\ny~b\n"}
    keys = {"files": {"eu/*.csv": {"delimiter": "^"}, "*.csv": {}, "us/*.csv": {}}, "dialect": {"delimiter": "~"}}
    rows, _, said = ingest(files, **keys)
    assert rows["text"].to_pylist() == ["y", "x"]
    assert said[-1] == "ingest.files: no csv, tsv or jsonl file of the source ends like 'us/*.csv'"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"dialect": {"delimiter": ";;"}}, ["ingest.dialect.delimiter", "one character"]),
        ({"dialect": {"quote": ";", "delimiter": ";"}}, ["ingest.dialect", "must differ"]),
        ({"dialect": {"separator": ";"}}, ["unknown key ingest.dialect.separator", "delimiter, quoted"]),
        ({"dialect": {"header": -1}}, ["ingest.dialect.header"]),
        ({"files": {"*.csv": {"encoding": "utf-9"}}}, ["ingest.files.*.csv.encoding", "cp1252"]),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_name(section, words):
    with pytest.raises(UserError) as refusal:
        parse(Params, section, "ingest", Path("params.yaml"))
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_records_with_further_lines_and_comments_are_counted_in_words():
    content = b'text,label\n"x, y",a\n"one\ntwo\nthree",a,b\n# note\nz,b\n'
    rows, _, said = ingest({"a.csv": content}, dialect=DialectKeys(comment="#"))
    assert rows["problem"].to_pylist() == [None, "record_unparseable", None]
    assert rows["source_bytes"][1].as_py() == b'"one\ntwo\nthree",a,b'
    assert said[1:] == ["data/a.csv: 1 comment lines left out", "data/a.csv: unparseable records hold 2 further lines"]


def test_a_single_line_in_another_encoding_is_held_and_named_with_the_key_that_reads_it():
    files = {"a.csv": "text,label\ncafé,a\n".encode(), "b.csv": "text,label\ncafé,b\nplain,a\n".encode("cp1252")}
    rows, _, said = ingest(files)
    assert rows["problem"].to_pylist() == [None, "text_undecodable", None]
    (line,) = (one for one in said if "b.csv" in one)
    assert "data/b.csv: 1 lines are not UTF-8 and are quarantined, first line 2; it may be cp1252" in line
    assert "'café,b'" in line and "set `files: {b.csv: {encoding: cp1252}}` under ingest" in line
    rows, _, said = ingest(files, files={"b.csv": FileKeys(encoding="cp1252")})
    assert rows["text"].to_pylist() == ["café", "café", "plain"]
    mixed = {"a.csv": "text,label\ncafé,a\n".encode() + "thé,b\n".encode("cp1252")}
    assert any("save it as UTF-8, since other lines are" in line for line in ingest(mixed)[2])


@pytest.mark.parametrize("again", ["text,label", "Text,LABEL", " text , label ", '"text","label"', "\ufefftext,label"])
def test_a_header_in_the_middle_is_held_however_it_is_written(again):
    rows, _, _ = ingest({"a.csv": f"text,label\none,a\n{again}\ntexts,label\n".encode()})
    assert rows["problem"].to_pylist() == [None, "header_repeated", None]


def test_of_one_column_a_record_that_is_not_closed_is_held_to_the_end():
    content = b'text\none\n"say ""x"""\n"say ""y"""\n"open\ntwo\n'
    rows, _, _ = ingest({"a.csv": content}, columns=Columns(text="text"))
    assert rows["text"].to_pylist() == ["one", 'say "x"', 'say "y"', None]
    assert rows["source_bytes"][3].as_py() == b'"open\ntwo'


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Le café est fermé"),
        ("cp1252", "Grüße aus München, schöne Tage"),
        ("cp1252", "L’été dernier – “très” bien, €5"),
        ("cp1251", "Привет, как дела? Заказ не пришёл"),
        ("koi8_r", "Привет, как дела? Заказ не пришёл"),
        ("shift_jis", "ありがとう"),
        ("gb18030", "我的订单没有到,请退款,谢谢"),
        ("big5", "我的訂單沒有到"),
    ],
)
def test_the_encoding_is_among_the_three_that_are_proposed(encoding, text):
    found = guesses([f"{text} {i}\n".encode(encoding) for i in range(20)])[:3]
    assert (encoding, f"{text} 0") in [(one.encoding, one.value) for one in found]
    assert all(0 < one.confidence <= 1 for one in found)


@pytest.mark.proof
@pytest.mark.parametrize("shift", range(8))
def test_a_long_text_at_the_end_of_the_lines_that_are_looked_at_changes_no_header(shift):
    text = "\n".join('""Watch"" the webcams' if number % 90 == 9 else "High-tech jobs" for number in range(900))
    rows = "".join(f'r{number},"{text}",a\n' for number in range(30))
    found = detect(f"id,{'body' * (1 + 40 * shift)},team\n{rows}".encode())
    assert (found.dialect.header, found.dialect.delimiter, len(found.columns)) == (1, ",", 3)
    assert not found.doubts
