"""Landing: data from outside the repository is fetched into ``data/landing/`` before the pipeline runs.

``landing.yaml`` names the sources, ``python -m tasks.land`` fetches what is new in them. What has landed is never
changed: a landing only adds parts, so that a run can be repeated with the data it read. See docs/landing.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import model_validator

from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.core.secrets import hidden

LANDING_FILE = Path("landing.yaml")
ENVIRONMENT_PREFIX = "DRIFTLINE_SECRET_"
FORMATS = r"((csv|tsv|jsonl|ndjson|json)(\.gz|\.zst)?|parquet|xlsx|ods|xls)"
Kind = Literal["sql", "hub", "url", "store", "files"]
KINDS: dict[str, Kind] = {"sqlite": "sql", "postgresql": "sql", "postgres": "sql", "postgresql+psycopg": "sql"}
KINDS |= {"hf": "hub", "http": "url", "https": "url", "s3": "store"}
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "sql": ("table", "query", "cursor"),
    "hub": ("columns",),
    "url": ("format",),
    "store": ("endpoint",),
    "files": (),
}
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_SECRET_KEY = re.compile(r"pass|pwd|token|secret|signature|credential|api_?key|(^|[-_])(sig|key|auth)$", re.I)


class Transient(UserError):
    """A fault of the network, to be retried."""


class Source(Section):
    """One entry of ``landing.yaml``."""

    source: str | None = None
    """``sqlite:///…``, ``postgresql://…``, ``hf://name@revision[/config][:split]``, ``https://…``,
    ``s3://bucket/prefix``, a path or a glob."""
    secret: str | None = None
    """Name of a secret: a password (SQL), a bearer token (hf, https), KEY:SECRET (s3), or without ``source``
    the whole URL."""
    table: str | None = None
    """SQL: the table to land, or ``query``."""
    query: str | None = None
    """SQL: one SELECT."""
    cursor: str | None = None
    """SQL: a column that only grows; only rows from its last landed value on are read."""
    columns: list[str] | None = None
    """hf: the columns to land; all of them when left out."""
    format: str | None = None
    """https: the format, such as csv or jsonl.gz, where the address does not end in it."""
    endpoint: str | None = None
    """s3: the address of a store that is not Amazon's, such as https://minio.example.org:9000."""

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, values: Any) -> Any:
        """Checked before the fields, because the error of a field quotes its value."""
        for key, value in values.items() if isinstance(values, dict) else ():
            if _WITH_PASSWORD.search(str(value)):
                raise ValueError(f"{key} holds a password: take it out, and name it under secret (docs/landing.md)")
        name = values.get("secret") if isinstance(values, dict) else None
        if name is not None and not (isinstance(name, str) and _SECRET_NAME.fullmatch(name)):
            raise ValueError("secret must be a name in capitals such as CRM_PASSWORD, never the secret itself")
        return values

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source is None and self.secret is None:
            raise ValueError("source is missing")
        if self.source is not None:
            _refuse_secret_parts(self.source)
            self.check(kind_of(self.source))
            if self.secret is not None and kind_of(self.source) == "files":
                raise ValueError("secret: a path takes none")
        if self.format is not None and not re.fullmatch(FORMATS, self.format):
            raise ValueError(
                "format must be csv, tsv, json, jsonl or ndjson, with .gz or .zst where it is compressed, or parquet, "
                "xlsx, ods or xls"
            )
        return self

    def check(self, kind: Kind) -> None:
        """Raise ValueError unless the options are those that this kind of source takes."""
        given = [
            key
            for key in ("table", "query", "cursor", "columns", "format", "endpoint")
            if getattr(self, key) is not None
        ]
        if wrong := [key for key in given if key not in OPTIONS[kind]]:
            raise ValueError(f"{', '.join(wrong)}: not for this kind of source ({kind})")
        if kind == "sql" and (self.table is None) == (self.query is None):
            raise ValueError("name exactly one of table and query")


def kind_of(url: str) -> Kind:
    """What kind of source an address names; what has no scheme is a path. Raises ValueError for any other scheme."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return "files"
    if scheme not in KINDS:
        raise ValueError(f"{scheme}:// cannot be landed; a source is a path or {', '.join(f'{s}://' for s in KINDS)}")
    return KINDS[scheme]


def _refuse_secret_parts(url: str) -> None:
    """Refuse what a driver would take for a password, and query keys that carry one."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its message quotes the address
        raise ValueError("source is not an address") from None
    login = url.partition("://")[2].rpartition("@")[0]
    in_web = parts.scheme in ("http", "https") and "@" in parts.netloc
    in_database = KINDS.get(parts.scheme) == "sql" and ":" in login and not login.startswith("/")
    if in_web or in_database or any(_SECRET_KEY.search(key) for key, _ in parse_qsl(parts.query)):
        raise ValueError("source holds a password or token: take it out, and name it under secret (docs/landing.md)")


@dataclass(frozen=True)
class Address:
    """Where a source is, its secret resolved."""

    url: str = field(repr=False)
    kind: Kind
    secret: str | None = field(repr=False)
    hidden: frozenset[str] = field(repr=False)

    def hide(self, text: str) -> str:
        """The text with every form of the secret taken out."""
        return hidden(text, self.hidden)


def resolve(name: str, source: Source, environment: Mapping[str, str] | None = None) -> Address:
    """The address of a source; the only place that reads secrets, from ``DRIFTLINE_SECRET_<NAME>``."""
    if source.secret is None:
        assert source.source is not None
        return Address(source.source, kind_of(source.source), None, frozenset())
    variable = ENVIRONMENT_PREFIX + source.secret
    secret = (os.environ if environment is None else environment).get(variable, "").strip()
    if not secret:
        raise UserError(f"{name}: the secret {source.secret} is not set: set the environment variable {variable}")
    if source.source is not None:
        return Address(source.source, kind_of(source.source), secret, frozenset({secret}))
    try:
        kind = kind_of(secret)
        source.check(kind)
        return Address(secret, kind, None, frozenset(_secret_parts(secret)))
    except ValueError:
        raise UserError(f"{name}: the secret {source.secret} is not an address that goes with this entry") from None


def _secret_parts(url: str) -> set[str]:
    """Every piece of an address that a message could quote and that may hold a part of a password."""
    parts = urlsplit(url)
    in_web = parts.scheme in ("http", "https")
    login = (parts.netloc if in_web else url.partition("://")[2]).rpartition("@")[0]
    password = login.partition(":")[2]
    values = {value for _, value in parse_qsl(parts.query)}
    return {url, parts.query, login, password, *re.split("[@/]", password), *values} - {""}
