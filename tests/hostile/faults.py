"""Kinds of faults that are planted in clean rows: what is done to a row, and the reason it must be held for."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

HEADER = ("key", "text", "label", "when", "age", "score", "member", "since", "source", "ticket")
CONTRACT = {
    "labels": ["bill", "parcel", "praise"],
    "min_characters": 5,
    "max_characters": 400,
    "scripts": ["Latin"],
    "forbidden_characters": ["control", "bidi", "zero_width", "replacement", "private_use"],
    "earliest": "2020-01-01",
    "latest": "2021-01-01",
    "columns": {"age": "integer", "score": "number", "member": "boolean", "since": "time"},
    "required": ["source"],
    "unique": ["ticket"],
    "privacy": "quarantine",
    "max_quarantined": 1.0,
}
SAID = """the a we you my our parcel bill refund account window café naïve straße año señor it's order was sent late
again please thanks help never always blue green box door monday june about without (maybe) really? 10:30 12.50 € 3rd
2020-05-17 v2.1 #48213 100% 😀 – “so” order-4711 www.example.com/help"""
WORDS = SAID.split()


@dataclass(frozen=True)
class Row:
    """A record; ``line`` is what stands in the file in its place, where that is not what csv would write."""

    key: str
    text: str
    label: str
    when: str
    age: str
    score: str
    member: str
    since: str
    source: str
    ticket: str
    line: Callable[[bytes], bytes] = bytes

    def written(self) -> bytes:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerow([getattr(self, name) for name in HEADER])
        return self.line(out.getvalue().encode())


def clean(number: int, random: Random) -> Row:
    """A row that meets the contract and resembles no other."""
    words = random.choices(WORDS, k=random.randrange(8, 30))
    text = " ".join([*words, "letter", *(chr(ord("a") + int(digit)) * 2 for digit in str(number))])
    day = f"2020-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    kinds = (
        random.choice(("", "41", "-3")),
        random.choice(("", "0.5", "1e3", "7")),
        random.choice(("", "true", "False")),
    )
    return Row(
        f"k{number}", text, random.choice(CONTRACT["labels"]), f"{day}T10:00:00Z", *kinds, day, "mail", f"t{number}"
    )


def sets(**values: str):
    return lambda row, _: replace(row, **values)


def says(text: str):
    """Text among the row's own words."""

    def change(row, _):
        first, _, rest = row.text.partition(" ")
        return replace(row, text=f"{first} and {text}, {rest}")

    return change


def writes(change: Callable[[bytes], bytes]):
    return lambda row, _: replace(row, line=change)


def copies(change: Callable[[str], str] = str):
    """The text of a clean row that stands before, under the same label."""
    return lambda row, other: replace(row, text=change(other.text), label=other.label)


def in_label(sign: bytes):
    return writes(lambda line: line.replace(b",2020-", sign + b",2020-", 1))


KINDS: dict[str, tuple[str, Callable[[Row, Row], Row]]] = {
    "no text": ("text_too_short", sets(text="")),
    "blanks": ("text_too_short", sets(text="       ")),
    "line breaks": ("text_too_short", sets(text="\n\n\t\n\n\n")),
    "other spaces": ("text_too_short", sets(text="\u00a0\u2003\u3000\u00a0\u2003\u3000")),
    "too short": ("text_too_short", sets(text="ok")),
    "too long": ("text_too_long", lambda row, _: replace(row, text=row.text + " again" * 80)),
    "NUL": ("character_not_allowed", says("a\0b")),
    "escape": ("character_not_allowed", says("\x1b[31mred")),
    "C1 control": ("character_not_allowed", says("a\x85b")),
    "override": ("character_not_allowed", says("\u202eabc\u202c")),
    "isolate": ("character_not_allowed", says("\u2066abc\u2069")),
    "zero width": ("character_not_allowed", says("pass\u200bword")),
    "BOM inside": ("character_not_allowed", says("\ufeffabc")),
    "soft hyphen": ("character_not_allowed", says("pass\u00adword")),
    "replacement": ("character_not_allowed", says("caf\ufffd")),
    "private use": ("character_not_allowed", says("\ue000")),
    "Cyrillic homoglyph": ("script_not_allowed", says("pаrcel")),
    "Greek": ("script_not_allowed", says("λόγος")),
    "Han": ("script_not_allowed", says("包裹")),
    "Arabic": ("script_not_allowed", says("طرد")),
    "Hangul": ("script_not_allowed", says("소포")),
    "bad byte": ("text_undecodable", writes(lambda line: line.replace(b" letter ", b" \xff ", 1))),
    "cut character": ("text_undecodable", writes(lambda line: line.replace(b" letter ", b" \xe2\x82 ", 1))),
    "Latin-1": ("text_undecodable", writes(lambda line: line.replace(b" letter ", b" caf\xe9 ", 1))),
    "too few cells": ("record_unparseable", writes(lambda line: line.rpartition(b",")[0] + b"\n")),
    "too many cells": ("record_unparseable", writes(lambda line: line.replace(b"\n", b",more\n"))),
    "open quote": ("record_unparseable", writes(lambda line: line.replace(b",", b',"', 1).replace(b'""', b'"', 1))),
    "stray quote": ("record_unparseable", writes(lambda line: b'"k"k' + line)),
    "no label": ("label_missing", sets(label="")),
    "blank label": ("label_missing", sets(label="  ")),
    "label typo": ("label_not_allowed", sets(label="parcle")),
    "label in capitals": ("label_not_allowed", sets(label="Parcel")),
    "label and space": ("label_not_allowed", sets(label="parcel ")),
    "label homoglyph": ("label_not_allowed", sets(label="pаrcel")),
    "two labels": ("label_not_allowed", sets(label="parcel;bill")),
    "label as number": ("label_not_allowed", sets(label="1")),
    "bad byte in label": ("value_undecodable", in_label(b"\xff")),
    "no time": ("timestamp_unreadable", sets(when="")),
    "time in words": ("timestamp_unreadable", sets(when="yesterday")),
    "no such day": ("timestamp_unreadable", sets(when="2020-02-31")),
    "milliseconds": ("timestamp_unreadable", sets(when="1604010112000")),
    "American date": ("timestamp_unreadable", sets(when="12/31/2020")),
    "too early": ("time_outside", sets(when="1970-01-01T00:00:00Z")),
    "too late": ("time_outside", sets(when="2021-01-01T00:00:00Z")),
    "no id": ("id_missing", sets(key="")),
    "id again": ("id_conflict", lambda row, other: replace(row, key=other.key)),
    "word for integer": ("value_unlike_type", sets(age="seven")),
    "fraction for integer": ("value_unlike_type", sets(age="1.5")),
    "comma in number": ("value_unlike_type", sets(score="1,5")),
    "not a number": ("value_unlike_type", sets(score="nan")),
    "neither true nor false": ("value_unlike_type", sets(member="maybe")),
    "no date": ("value_unlike_type", sets(since="17.05.2020")),
    "no source": ("value_missing", sets(source=" ")),
    "ticket again": ("value_not_unique", lambda row, other: replace(row, ticket=other.ticket)),
    "copy": ("duplicate_text", copies()),
    "copy in capitals": ("duplicate_text", copies(str.swapcase)),
    "copy with spaces": ("duplicate_text", copies(lambda text: f" {text}".replace(" ", "   "))),
    "copy, decomposed": ("duplicate_text", copies(lambda text: unicodedata.normalize("NFD", text))),
    "mail": ("personal_data", says("write to ada.lovelace@example.com")),
    "phone": ("personal_data", says("call (212) 555-0123")),
    "phone abroad": ("personal_data", says("call +44 20 7946 0958")),
    "card": ("personal_data", says("card 4111 1111 1111 1111")),
    "short card": ("personal_data", says("card 378282246310005")),
    "iban": ("personal_data", says("to DE89 3704 0044 0532 0130 00")),
    "IPv4": ("personal_data", says("from 192.0.2.17")),
    "IPv6": ("personal_data", says("from 2001:db8::8a2e:370:7334")),
}
