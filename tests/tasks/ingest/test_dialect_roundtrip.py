"""Records written in any dialect are read back as they were, or refused, or what is read otherwise is said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.core.errors import UserError
from tasks.ingest.decoding import Opening
from tasks.ingest.delimited import read_delimited_parts
from tasks.ingest.dialect import detect
from tasks.ingest.dialect_params import DialectKeys, FileKeys
from tasks.ingest.streams import Budget

HEADER = ("text", "label")
CELLS = st.text(st.sampled_from("aé ,;\t|\"'\\\n\r#=\0"), max_size=10)
RECORDS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8)


@dataclass(frozen=True)
class Way:
    """How a file is written."""

    delimiter: str
    quoting: str
    quote: str
    escape: str
    end: str
    before: tuple[str, ...]
    encoding: str

    def cell(self, value):
        special = {self.delimiter, self.quote, "\r", "\n"} | {self.escape} - {""}
        if self.quoting == "none":
            return "".join(self.escape + sign if sign in special else sign for sign in value)
        if self.quoting == "minimal" and not special & set(value):
            return value
        if self.escape:
            value = value.replace(self.escape, self.escape * 2)
        return self.quote + value.replace(self.quote, (self.escape or self.quote) + self.quote) + self.quote

    def written(self, records):
        lines = [*self.before, *(self.delimiter.join(map(self.cell, record)) for record in (HEADER, *records))]
        return (self.end.join(lines) + self.end).encode(self.encoding)

    def keys(self):
        return DialectKeys(
            delimiter=self.delimiter,
            quoted=self.quoting != "none",
            quote=self.quote,
            escape=self.escape,
            header=len(self.before) + 1,
            comment="",
        )


WAYS = st.builds(
    Way,
    st.sampled_from(",;\t|"),
    st.sampled_from(["minimal", "all"]),
    st.sampled_from("\"'"),
    st.sampled_from(["", "\\"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([(), ("Report of May",), ("# made by hand", "", "# twice"), ('5" pipes',)]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]),
)
UNQUOTED = st.builds(
    Way, *map(st.sampled_from, (",;\t|", ["none"], '"', "\\", ["\n", "\r\n", "\r"], [()], ["utf-8", "cp1252"]))
)
QUOTINGS = [("minimal", '"'), ("all", '"'), ("all", "'")]  # ' is known by the header alone
FOUND = st.builds(
    lambda delimiter, how, *more: Way(delimiter, *how, "", *more),
    st.sampled_from(",;\t|"),
    st.sampled_from(QUOTINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([(), ("Report of May",), ("# made by hand", "", "# twice")]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)


def read(path, opening):
    parts = list(read_delimited_parts(path, opening, ","))
    assert not any(part.unparseable for part in parts)
    return [tuple(row.values()) for part in parts for row in part.table.to_pylist()]


@pytest.mark.proof
@given(way=WAYS | UNQUOTED, records=RECORDS)
def test_what_is_written_in_a_dialect_that_is_set_is_read_back(tmp_path_factory, way, records):
    path = tmp_path_factory.mktemp("set") / "rows.csv"
    path.write_bytes(way.written(records))
    opening = Opening(Budget(10**9), dialect=way.keys(), files={"rows.csv": FileKeys(encoding=_named(way.encoding))})
    assert read(path, opening) == records


def _named(encoding):
    return encoding if encoding == "cp1252" else None  # the others say it themselves


@pytest.mark.proof
@given(way=FOUND, records=RECORDS)
@example(way=Way("\t", "minimal", '"', "", "\n", (), "utf-8"), records=[("a\ta\na", "b")])
def test_a_detected_dialect_reads_the_same_or_is_refused(tmp_path_factory, way, records):
    path = tmp_path_factory.mktemp("found") / "rows.csv"
    path.write_bytes(way.written(records))
    opening = Opening(Budget(10**9), names=HEADER)
    if detect(path, names=HEADER).refusal:
        with pytest.raises(UserError, match=r"set `quoted: true` or `quoted: false`"):
            read(path, opening)
        opening = Opening(Budget(10**9), names=HEADER, dialect=DialectKeys(quoted=True))
    assert read(path, opening) == records
