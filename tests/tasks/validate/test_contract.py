"""What the contract asks of further columns, times and letters; what was released passes, and only for that reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.release import releases
from tasks.validate import Params, profile
from tasks.validate.duplicates import find_copies, is_repeated, normalised
from tasks.validate.releases import HEADER, RELEASABLE, Release, add_releases, read_releases, released_reasons
from tests.support.raw_rows import with_problems

COLUMNS = {"n": "integer", "x": "number", "yes": "boolean", "on": "time", "word": "text"}
GOOD = {
    "n": ["1", "-20", "+007", " ", None],
    "x": ["1.5", ".5", "3.", "-1e-7", "12"],
    "yes": ["true", "FALSE", "", None, "True"],
    "on": ["2020-01-02", "2020-01-02T03:04:05+02:00", "", None, "20200102"],
    "word": ["", "any", "1", None, " "],
}
BAD = {
    "n": ["1.0", "١", "0x1", "1 2", "nan"],
    "x": ["1,5", "inf", ".", "e3", "1e"],
    "yes": ["1", "yes", "t", "truee", " true"],
    "on": ["02.01.2020", "2020-13-01", "now", "1577934245", "2020-02-30"],
    "word": ["", "any", "1", None, " "],
}


def with_columns(values):
    rows = with_problems([(f"text {i}", "a") for i in range(5)])
    for name, column in values.items():
        rows = rows.append_column(name, pa.array(column))
    return rows


def test_values_are_held_to_the_type_that_was_agreed():
    params = Params(columns=COLUMNS)
    assert profile.observe(with_columns(GOOD), params, {})["mistyped_columns"].isna().all()
    assert set(profile.observe(with_columns(BAD), params, {})["mistyped_columns"]) == {"n, x, yes, on"}


def test_a_column_may_be_typed_by_the_source_but_not_otherwise():
    typed = {"n": [1, 2, 3, None, 5], "x": [1.5, None, 2.0, 1.0, 0.0], "yes": [True] * 5, "on": [datetime.now(UTC)] * 5}
    rows = with_columns(typed | {"word": ["w"] * 5})
    assert profile.observe(rows, Params(columns=COLUMNS), {})["mistyped_columns"].isna().all()
    with pytest.raises(UserError, match=r"validate\.columns: x is double in the source, but must be integer"):
        profile.observe(rows, Params(columns={"x": "integer"}), {})
    for key in ("columns", "required", "unique"):
        values = {"gone": "text"} if key == "columns" else ["gone"]
        with pytest.raises(UserError, match=rf"validate\.{key}: the source has no further column 'gone'; it has n, x"):
            profile.observe(rows, Params(**{key: values}), {})


def test_letters_of_other_scripts_and_forbidden_characters_are_seen_and_signs_are_of_every_script():
    texts = [
        "plain, déjà 42 €!",
        "mіxed",
        "日本語 text",
        "Ω",
        "e\u0301 😀",
        "a\u200bb\x00",
        "tab\tand\r\nline",
        "\ufffd",
    ]
    seen = profile.observe(
        with_problems([(text, "a") for text in texts]),
        Params(scripts=["Latin"], forbidden_characters=["control", "zero_width"]),
        {},
    )
    assert list(seen["letters_outside"].notna()) == [False, True, True, True, False, False, False, False]
    assert [x if isinstance(x, str) else None for x in seen["forbidden_characters"]] == [None] * 5 + [
        "control, zero_width",
        None,
        None,
    ]
    every = Params(scripts=["Latin", "Cyrillic", "Han", "Hiragana", "Greek"])
    assert profile.observe(with_problems([(text, "a") for text in texts]), every, {})["letters_outside"].isna().all()


def test_the_range_of_time_is_half_open():
    times = [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    rows = with_problems([(f"t{i}", "a") for i in range(5)])
    rows = rows.set_column(
        3, rows.schema.field("timestamp"), pa.array([*times, None], rows.schema.field("timestamp").type)
    )
    seen = profile.observe(rows, Params(earliest=times[1], latest=times[3]), {})["time_outside"]
    assert list(seen.notna()) == [True, False, False, True, False]


@pytest.mark.proof
@given(st.lists(st.sampled_from([None, "", "x", "y", "z"])))
def test_the_first_of_equal_values_keeps_its_place_and_missing_ones_are_not_equal(values):
    found = list(is_repeated(pa.array(values, pa.string()).to_pandas()))
    assert found == [bool(value) and value in values[:place] for place, value in enumerate(values)]


@pytest.mark.proof
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "A ", "b"]), st.sampled_from(["x", "y", None]), st.booleans()), max_size=10
    )
)
def test_one_row_that_was_settled_stands_for_its_text(rows):
    ids = [f"r{i}" for i in range(len(rows))]
    texts, labels = [text for text, _, _ in rows], [label for _, label, _ in rows]
    settled = {name for name, (_, _, mine) in zip(ids, rows, strict=True) if mine}
    plain = find_copies(ids, texts, labels).where(lambda found: found.notna(), None)
    found = find_copies(ids, texts, labels, settled).where(lambda found: found.notna(), None)
    for place, name in enumerate(ids):
        disputed = plain["conflicts_with"][place] is not None
        same = [i for i, text in enumerate(texts) if normalised(text) == normalised(texts[place]) and ids[i] in settled]
        if not disputed or name not in settled:
            assert list(found.loc[place]) == list(plain.loc[place])
        else:
            assert list(found.loc[place]) == [None if same[0] == place else ids[same[0]], None]


@given(st.text(st.sampled_from("aÉ\u0301\u00a8ﬁß \u3000\n\x1c."), max_size=40), st.integers(1, 9))
def test_a_text_is_normalised_piece_by_piece_as_it_is_whole(text, piece):
    assert normalised(text, piece) == normalised(text)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    from tasks.validate.__main__ import validate

    monkeypatch.chdir(tmp_path)

    def judge(rows, released=(), **params):
        where = WindowPaths(tmp_path / "reference")
        section = Params(**{"max_quarantined": 1.0, "min_rows": 0, "min_classes": 0, **params})
        figures = validate(with_problems(rows), section, "reference", where, frozenset(released))
        left = read_table(where.quarantine)
        return (
            read_table(where.validated),
            dict(zip(left["id"].to_pylist(), left["reasons"].to_pylist(), strict=True)),
            figures,
        )

    return judge


@pytest.mark.slow
def test_a_release_holds_for_its_reason_only(judged):
    rows = [
        ("much too long", "a"),
        ("long, other label", "c"),
        ("one", "a"),
        ("ONE", "b"),
        ("two", None, "id_duplicate"),
    ]
    quarantined = {"r0": ["text_too_long"], "r1": ["text_too_long", "label_not_allowed"]}
    quarantined |= {"r2": ["conflicting_label"], "r3": ["conflicting_label"], "r4": ["id_duplicate"]}
    contract = {"labels": ["a", "b"], "max_characters": 10}
    assert judged(rows, **contract)[1] == quarantined
    released = [("r0", "text_too_long"), ("r1", "text_too_long"), ("r3", "conflicting_label"), ("r4", "id_duplicate")]
    passed, left, figures = judged(rows, released, **contract)
    assert left == {"r1": ["label_not_allowed"], "r2": ["conflicting_label"], "r4": ["label_missing"]}
    assert passed["id"].to_pylist() == ["r0", "r3"]
    assert figures["released"] == 2
    assert judged(rows, [("r0", "personal_data")], **contract)[1] == quarantined


@pytest.mark.slow
def test_masking_changes_the_texts_that_pass_and_nothing_else(judged, tmp_path):
    rows = [("call (212) 555-0123.", "a"), ("call (212) 555-0199.", "b"), ("from 192.0.2.17 only", "a"), ("plain", "c")]
    rows.append(("to x@example.com, from 192.0.2.17", "b"))
    passed, left, figures = judged(rows, privacy="redact", labels=["a", "b"])
    assert passed["text"].to_pylist() == ["from [ip] only", "to [mail], from [ip]"]
    assert left == {"r0": ["conflicting_label"], "r1": ["conflicting_label"], "r3": ["label_not_allowed"]}
    assert read_table(tmp_path / "reference/quarantine.parquet")["text"].to_pylist() == [rows[i][0] for i in (0, 1, 3)]
    assert figures["personal_data"] == {"ip": 2, "mail": 1, "phone": 2}
    page = (tmp_path / "reports/data_docs/reference/index.html").read_text(encoding="utf-8")
    assert "<td>conflicting_label</td><td>2</td><td><p><code>r0</code> call (###) ###-####. · a</p>" in page


def test_what_is_released_is_written_down_once_and_read_back(tmp_path):
    file = tmp_path / "released.csv"
    assert read_releases(file) == []
    lines = [Release("a,b", "text_too_long", 'a "fine" row'), Release("c", "personal_data", "no person")]
    add_releases(lines, file)
    add_releases([lines[1], Release("c", "text_too_short", "short, but so are all")], file)
    assert read_releases(file)[:2] == lines
    assert released_reasons(read_releases(file)) == {
        ("a,b", "text_too_long"),
        ("c", "personal_data"),
        ("c", "text_too_short"),
    }
    assert file.read_text(encoding="utf-8").splitlines()[0] == ",".join(HEADER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,why\n", "the header must be id,reason,why"),
        ("", "the first line must name the columns"),
        ("id,reason,why\na,text_too_long\n", "line 2: the record has 2 values, the header 3"),
        ("id,reason,why\na,text_too_long, \n", "line 2: id, reason and why must all be filled in"),
        ("id,reason,why\na,text_missing,because\n", "text_missing cannot be released"),
        ('id,reason,why\n"a,text_too_long,because\n', "not valid csv"),
    ],
)
def test_a_file_of_releases_that_says_something_else_is_refused(tmp_path, content, message):
    (tmp_path / "released.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_releases(tmp_path / "released.csv")


def test_only_rows_in_quarantine_are_released_and_only_from_what_holds_them():
    quarantined = {"r1": ["text_too_long", "personal_data"], "r2": ["text_missing"], "r3": ["label_not_allowed"]}
    assert releases(["r1"], " seen ", quarantined) == [Release("r1", reason, "seen") for reason in quarantined["r1"]]
    assert releases(["r1"], "seen", quarantined, "personal_data") == [Release("r1", "personal_data", "seen")]
    for name, why, reason, message in (
        ("r9", "x", None, "no row of that id is in quarantine"),
        ("r1", " ", None, "--why"),
        ("r1", "x", "id_duplicate", "not quarantined for id_duplicate, but for text_too_long, personal_data"),
        ("r2", "x", None, "text_missing cannot be released: have the row corrected"),
        ("r3", "x", None, "add the label to validate.labels"),
    ):
        with pytest.raises(UserError, match=message):
            releases([name], why, quarantined, reason)
    assert set(RELEASABLE) & {"text_missing", "label_missing", "record_unparseable", "text_undecodable"} == set()
