"""The committed sample is what its README says it is."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tasks.images import digest, opened

FOLDER = Path(__file__).parents[2] / "data/samples"
FILE = FOLDER / "spamassassin.parquet"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows():
    return pq.read_table(FILE)


@pytest.fixture(scope="module")
def build():
    pytest.importorskip("inscriptis")
    spec = importlib.util.spec_from_file_location("build_spamassassin", FOLDER / "build_spamassassin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_states_the_bytes():
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() in README
    assert FILE.stat().st_size < 5_000_000


def test_the_readme_states_what_is_in_it(rows, build):
    assert build.SHA256 in README
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(rows["label"]).to_pylist()}
    assert counts == {"ham": 4150, "spam": 1896}
    assert all(f"`{label}` ({count:,})" in README for label, count in counts.items())
    assert f"null for {rows['received_at'].null_count}" in README
    assert f"{pc.max(pc.utf8_length(rows['text'])).as_py():,} at most" in README


def test_every_row_has_an_id_of_its_own_a_text_and_a_label(rows):
    assert rows.num_rows == len(set(rows["id"].to_pylist())) == 6046
    assert all(rows[name].null_count == 0 for name in ("id", "text", "label", "group"))
    assert pc.min(pc.utf8_length(rows["text"])).as_py() > 0
    assert all(
        key.startswith(group) for key, group in zip(*rows.select(["id", "group"]).to_pydict().values(), strict=True)
    )


def test_times_are_utc_plausible_and_in_order(rows):
    assert rows.schema.field("received_at").type == pa.timestamp("us", tz="UTC")
    times = rows["received_at"].to_pylist()
    dated = [time for time in times if time]
    assert dated == sorted(dated) == times[: len(dated)]
    assert datetime(2001, 6, 1, tzinfo=UTC) < dated[0] < dated[-1] < datetime(2003, 1, 1, tzinfo=UTC)


@pytest.mark.proof
def test_nothing_a_filter_left_is_in_the_texts(rows):
    told = re.compile(r"(?m)^X-Spam-Status: Yes|^SPAM: -+ Start|^\*{5}SPAM|DeathToSpam|^Spamassassin-Sightings mailing")
    assert [
        key for key, text in zip(*rows.select(["id", "text"]).to_pydict().values(), strict=True) if told.search(text)
    ] == []


MAIL = b"""Received: from nowhere
Received: from a by b; Thu, 22 Aug 2002 18:26:25 +0700 (ICT)
Date: Mon, 1 Jan 1980 00:00:00 +0000
X-Spam-Status: Yes
Subject: =?iso-8859-1?q?caf=E9?= \n =?utf-8?b?w6k=?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: multipart/alternative; boundary=A

--A
Content-Type: text/plain

%s
--A
Content-Type: text/html; charset=windows-1251

<p>\xcf\xf0\xe8\xe2\xe5\xf2</p><script>x()</script><p>there</p>
--A--
--B
Content-Type: text/plain
Content-Disposition: attachment

secret
--B--
"""


def test_a_mail_becomes_its_subject_and_what_can_be_read_of_it(build):
    assert build.text_of(message_from_bytes(MAIL % b"plain \x93words\x94")) == "caféé\n\nplain “words”"
    assert re.sub(r"\n+", "|", build.text_of(message_from_bytes(MAIL % b" "))) == "caféé|Привет|there"
    assert build.received_at(message_from_bytes(MAIL)) == datetime(2002, 8, 22, 11, 26, 25, tzinfo=UTC)
    assert build.received_at(message_from_bytes(b"Date: Mon, 1 Jan 1980 00:00:00 +0000\n\nx")) is None


DIGITS = FOLDER / "digits.parquet"


@pytest.mark.proof
def test_the_digits_are_what_the_readme_says():
    rows = pq.read_table(DIGITS)
    assert hashlib.sha256(DIGITS.read_bytes()).hexdigest() in README
    counts = sorted(entry["counts"] for entry in pc.value_counts(rows["label"]).to_pylist())
    assert rows.num_rows == len(set(rows["id"].to_pylist())) == 3000
    assert f"between {counts[0]} (`5`) and {counts[-1]} (`1`)" in README
    pictures = [opened(image["bytes"]) for image in rows["image"].to_pylist()]
    assert {(its.fault, its.format, its.mode, its.picture.size) for its in pictures} == {(None, "PNG", "L", (28, 28))}
    assert len({digest(its.picture) for its in pictures}) == 3000
