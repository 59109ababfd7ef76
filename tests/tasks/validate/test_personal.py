"""Personal data is found wherever it stands, masked whole, and asks no network; pages leave none of it standing."""

from __future__ import annotations

import socket
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.redaction import redact
from tasks.validate import Params, personal
from tasks.validate.personal import SEGMENT, Span, find_personal_data, mask, masked
from tasks.validate.recognisers import recognisers

REGIONS = tuple(Params().phone_regions)
PLANTED = {
    "ada.lovelace+news@mail.example.co.uk": "mail",
    "o'brien@example.com": "mail",
    "(212) 555-0123": "phone",
    "+44 20 7946 0958": "phone",
    "4111 1111 1111 1111": "card",
    "378282246310005": "card",
    "DE89 3704 0044 0532 0130 00": "iban",
    "GB29NWBK60161331926819": "iban",
    "192.0.2.17": "ip",
    "2001:db8::8a2e:370:7334": "ip",
    "fe80::abcd": "ip",
}
PLAIN = [
    "at 10:30 on 2020-05-17",
    "std::vector",
    "v2.1",
    "12.50 €",
    "order 48213",
    "a@b",
    "-- :: --",
    "1,000,000",
    "#@!",
]


def column(texts):
    return pa.chunked_array([pa.array(texts, pa.string())])


@pytest.fixture(scope="module")
def mails():
    return pq.read_table("data/samples/spamassassin.parquet", columns=["text"])["text"][::150].combine_chunks()


@pytest.mark.slow
def test_what_is_planted_in_long_texts_is_found_and_nothing_else():
    random = Random(3)
    texts, expected = [], []
    for _ in range(12):
        parts, spans, length = [], [], 0
        while length < 2.5 * SEGMENT:
            item = random.choice([*PLANTED, *PLAIN])
            words = " and then ".join(["word"] * random.randrange(2, 9)) + " "
            start = length + len(words)
            if item in PLANTED:
                spans.append(Span(start, start + len(item), PLANTED[item]))
            parts.append(f"{words}{item}. ")
            length += len(parts[-1])
        texts.append("".join(parts))
        expected.append(spans)
    found = find_personal_data(column([None, *texts, "nothing here"]), REGIONS)
    assert found == dict(enumerate(expected, 1))


@pytest.mark.slow
def test_no_text_is_passed_over_for_what_it_lacks_and_none_is_left_when_masked(mails, monkeypatch):
    texts = pa.chunked_array([pa.concat_arrays([mails, pa.array([*PLANTED, *PLAIN])])])
    found = find_personal_data(texts, REGIONS)
    everything = dict.fromkeys(personal._CONDITIONS, lambda texts: pa.chunked_array([pa.repeat(True, len(texts))]))
    monkeypatch.setattr(personal, "_CONDITIONS", everything)
    assert find_personal_data(texts, REGIONS) == found
    assert len(found) > 20
    clean = masked(texts, found)
    assert not find_personal_data(clean, REGIONS)
    for place, text in enumerate(texts.to_pylist()):
        assert clean[place].as_py() == mask(text, found.get(place, []))


@pytest.mark.slow
def test_pages_show_nothing_that_would_be_found(mails):
    texts = [*mails.to_pylist(), *PLANTED, *(f"x{item}y, <{item}>; {item}" for item in PLANTED)]
    assert not find_personal_data(column([redact(text) for text in texts]), REGIONS)
    assert redact("see http://x.org/a?b=1 at 10:30, write <a@b.org>; (c@d)") == (
        "see [link] at ##:##, write <[mail]>; ([mail])"
    )


@pytest.mark.slow
def test_nothing_asks_the_network(monkeypatch):
    asked = []

    def refuse(*where, **__):
        asked.append(where)
        raise OSError("there is no network")

    recognisers.cache_clear()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert find_personal_data(column(["to a@example.museum"]), REGIONS) == {0: [Span(3, 19, "mail")]}
    assert not asked, "a library that falls back on its own list would hide the failure"


def test_overlapping_finds_become_one():
    spans = [Span(0, 5, "phone"), Span(3, 20, "card"), Span(20, 22, "ip"), Span(30, 31, "ip")]
    assert personal.merge_overlaps(spans) == [Span(0, 20, "card"), Span(20, 22, "ip"), Span(30, 31, "ip")]


@pytest.mark.slow
def test_a_country_nobody_knows_is_refused_by_name():
    with pytest.raises(UserError, match=r"phone_regions: 'UK' is no country's code"):
        find_personal_data(column(["call 12345678"]), ["UK"])
