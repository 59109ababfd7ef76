"""Names of columns as a person reads them: what is not seen shows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tasks.core.errors import UserError

MAX_SHOWN = 20
TABLES = (".csv", ".tsv", ".txt")


def refuse_missing(file: str, name: str, known: Iterable[str], key: str) -> None:
    """UserError unless the file has the column that ``key`` of ``params.yaml`` names; ``known`` are those it has."""
    has = list(dict.fromkeys(known))
    if name not in has:
        said = f"{file} has no column {quoted(name)}, which {key} names; it has {listed(has)}"
        raise UserError(said + _settle(file, name, has, key))


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return (", ".join(map(quoted, names[:MAX_SHOWN])) + more) or "none"


def quoted(name: str) -> str:
    """A name in quotes; in ASCII where a part of it would not be seen, or could be another character."""
    plain = name.isprintable() and unicodedata.is_normalized("NFC", name)
    return repr(name) if plain else ascii(name)


def _settle(file: str, name: str, has: list[str], key: str) -> str:
    alike = next((one for one in has if _folded(one) == _folded(name)), None)
    if alike is not None:
        return f": set {key} to {quoted(alike)}"
    headless = ", or `header: 0` under ingest.dialect if its first line is a record" if _is_table(file) else ""
    return f": set {key} to one of them{headless}" if has else ""


def _is_table(file: str) -> bool:
    return any(part in TABLES for part in (f".{part}" for part in file.lower().split(".")[1:]))


def _folded(name: str) -> str:
    seen = (sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return "".join(seen).strip().casefold()
