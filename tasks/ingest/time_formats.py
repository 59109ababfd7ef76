"""In which format a column writes its times: proposed from its values, and refused where they leave it open."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial

ISO, RFC_2822 = "iso", "rfc2822"
EPOCHS = {"epoch_s": "s", "epoch_ms": "ms", "epoch_us": "us", "epoch_ns": "ns"}
NAMED = (ISO, RFC_2822, *EPOCHS)
"""Formats that have a name; any other one is written as strptime reads it."""
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH_SECONDS = (10**8, 4_200_000_000)
"""1973 to 2103: where counts of different units cannot be taken for each other."""
ISO_8601 = re.compile(
    r"(\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d(-?\d)?)([T ][\d:.,]+)?( ?(?:Z|UTC|GMT|[+-]\d\d(:?\d\d){0,2}))?", re.ASCII
)
"""What may be ISO 8601: fromisoformat alone takes 1604010112000, milliseconds of 2020, for a time in 1604."""
UTC_NAMES = re.compile(r" ?(?:UTC|GMT)$")
RFC = re.compile(
    r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?\d{1,2} +[A-Z][a-z]{2} +\d{4} +\d\d:\d\d(:\d\d)?"
    r" +([+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T)( +\(.*\))?",
    re.ASCII,
)
SHAPE = re.compile(
    r"(?P<date>[\d./-]+?|(?:\d{1,2}[. -]+)?[A-Za-z]{3,9}[. -]+(?:\d{1,2},? )?\d{2,4})"
    r"(?:(?P<join>T|,? )(?P<clock>\d{1,2}:\d\d)(?P<second>:\d\d)?(?P<fraction>\.\d{1,6})?(?P<half> ?[AaPp][Mm])?"
    r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)?",
    re.ASCII,
)
NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})", re.ASCII)
NAMES = re.compile(r"(\d{1,2})?([. -]+)?([A-Za-z]+)([. -]+)(?:(\d{1,2})(,? ))?(\d{4}|\d\d)", re.ASCII)
OTHERS = ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%d/%b/%Y:%H:%M:%S %z")
"""Of C's ctime, of Twitter, and of web servers' logs."""


@dataclass(frozen=True)
class Proposal:
    """The format that reads most of the values, and what speaks against it."""

    format: str
    read: int
    """How many of the values it reads."""
    values: int
    rival: str | None = None
    """A format that reads as many values in another way, or values that ``format`` cannot read; None: none does."""
    examples: tuple[str, ...] = ()
    """One value that both read, each in its way; or one that only ``format`` reads and one that only the rival does."""


def propose(values: Iterable[str]) -> Proposal:
    """The one format of a column, by its values (distinct, none missing)."""
    texts = list(values)
    counts = Counter(form for value in texts for form in formats_of(value))
    if not counts:
        return Proposal(ISO, 0, len(texts))
    best = min(counts, key=lambda form: (-counts[form], _rank(form)))
    return _doubted(Proposal(best, counts[best], len(texts)), texts, counts)


def parser(form: str) -> Callable[[str], datetime | None]:
    """What reads one value in that format: a time with or without a zone, None where it is not written so."""
    if form == ISO:
        return parse_iso
    if form == RFC_2822:
        return _rfc_2822
    return partial(_epoch, EPOCHS[form]) if form in EPOCHS else partial(_strptime, form)


def parse_iso(value: str) -> datetime | None:
    """ISO 8601, also with UTC or GMT behind it, or a space before the offset."""
    found = ISO_8601.fullmatch(value)
    if not found:
        return None
    zone = found[4] or ""
    bare = value[: len(value) - len(zone)]
    return _tried(datetime.fromisoformat, bare + UTC_NAMES.sub("+00:00", zone).strip())


def epoch_unit(count: float) -> str | None:
    """The unit in which so many have passed since 1970, for times of 1973 to 2103."""
    low, high = EPOCH_SECONDS
    return next((unit for unit, scale in PER_SECOND.items() if low * scale <= count < high * scale), None)


def candidates(value: str) -> list[str]:
    """The strptime formats that a value may be written in, by its shape."""
    found = SHAPE.fullmatch(value)
    if not found:
        return list(OTHERS)
    clock = "%I:%M" if found["half"] else "%H:%M"
    clock += (":%S" if found["second"] else "") + (".%f" if found["fraction"] else "")
    half = (" " if (found["half"] or "").startswith(" ") else "") + "%p" if found["half"] else ""
    zone = (" " if (found["zone"] or "").startswith(" ") else "") + "%z" if found["zone"] else ""
    tail = f"{found['join']}{clock}{half}{zone}" if found["clock"] else ""
    return [f"{date}{tail}" for date in _dates(found["date"])]


def _dates(date: str) -> list[str]:
    numbers = NUMBERS.fullmatch(date)
    if numbers is None:
        return _named_months(date)
    first, sign, _, last = numbers.groups()
    orders = ["Ymd", "Ydm"] if len(first) == 4 else ["dmY", "mdY"] if len(last) == 4 else ["dmy", "mdy", "ymd"]
    return [sign.join(f"%{letter}" for letter in order) for order in orders]


def _named_months(date: str) -> list[str]:
    found = NAMES.fullmatch(date)
    if not found or (found[1] is None) == (found[5] is None):
        return []
    months = ["%B", "%b"] if found[3].lower() == "may" else ["%b"] if len(found[3]) == 3 else ["%B"]
    year = "%Y" if len(found[7]) == 4 else "%y"
    first = f"%d{found[2]}" if found[1] else ""
    return [f"{first}{month}{found[4]}" + (f"%d{found[6]}" if found[5] else "") + year for month in months]


def formats_of(value: str) -> list[str]:
    """The formats that read a value."""
    if parse_iso(value):
        return [ISO]
    if RFC.fullmatch(value) and _rfc_2822(value):
        return [RFC_2822]
    if re.fullmatch(r"\d{9,19}(\.\d+)?", value, re.ASCII):
        unit = epoch_unit(float(value))
        return [f"epoch_{unit}"] if unit else []
    return [form for form in candidates(value) if _strptime(form, value)]


def _rank(form: str) -> tuple[int, str]:
    return (NAMED.index(form) if form in NAMED else len(NAMED), form)


def _doubted(found: Proposal, texts: Sequence[str], counts: Counter[str]) -> Proposal:
    """The proposal with its rival, if a format of another order of day and month has as much or own evidence."""
    read = parser(found.format)
    for rival in _swapped(found.format, texts, counts):
        other = parser(rival)
        mine = [value for value in texts if read(value) and not other(value)]
        others = [value for value in texts if other(value) and not read(value)]
        if found.format != ISO and not mine and not others:
            return _with(found, rival, [value for value in texts if read(value)][:1])
        if 100 * len(others) > len(mine):  # more than a slip of the pen
            return _with(found, rival, [*(mine or [value for value in texts if read(value)])[:1], others[0]])
    return found


def _with(found: Proposal, rival: str, examples: list[str]) -> Proposal:
    return Proposal(found.format, found.read, found.values, rival, tuple(examples))


def _swapped(form: str, texts: Sequence[str], counts: Counter[str]) -> list[str]:
    """The formats that differ from this one in the order of the date's parts alone."""
    if form == ISO:
        odd = (value for value in texts if not parse_iso(value))
        return list(dict.fromkeys(one for value in odd for one in candidates(value) if one.startswith("%Y-%d-%m")))
    return [one for one in counts if one != form and sorted(one) == sorted(form)]


@cache
def _zoned(form: str) -> bool:
    return "%z" in form


def _strptime(form: str, value: str) -> datetime | None:
    if _zoned(form):
        value = re.sub(r"(?:UTC|GMT)(?=$| \d{4}$)", "+0000", value)
    return _tried(datetime.strptime, value, form)


def _rfc_2822(value: str) -> datetime | None:
    if not RFC.fullmatch(value):
        return None
    moment = _tried(parsedate_to_datetime, value)
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment  # -0000 is UTC without a place


def _epoch(unit: str, value: str) -> datetime | None:
    return _tried(lambda: datetime.fromtimestamp(float(value) / PER_SECOND[unit], UTC))


def _tried(read: Callable[..., datetime], *values: str) -> datetime | None:
    try:
        return read(*values)
    except (ValueError, OverflowError, OSError):
        return None
