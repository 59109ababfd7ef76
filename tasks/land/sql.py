"""Land a table or a query of SQLite or PostgreSQL: read-only, one snapshot, streamed in batches.

With a cursor column only rows from its last landed value on are read: rows *at* that value are compared with those
that landed, row by row, so none is lost or landed twice. Without one, or with ``full``, every row is read and compared.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from tasks.core.errors import UserError
from tasks.core.extras import require_extra
from tasks.core.rows import TIMESTAMP
from tasks.land import Address, Source, Transient
from tasks.land.limits import Limits, Params
from tasks.land.parts import Parts
from tasks.land.rows import (
    CursorPosition,
    land_rows,
    landed_position,
    landed_rows,
    landed_schema,
    missing_rows_note,
    require_same_columns,
)

BATCH_ROWS = 2_000
CONNECT_SECONDS = 15
TYPES: dict[type, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), bytes: pa.binary()}
TYPES |= {str: pa.string(), Decimal: pa.string(), UUID: pa.string(), date: pa.date32()}
SQLITE_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}
MAX_VALUE_BYTES = 100_000_000
STEPS_BETWEEN_LOOKS = 100_000
CURSOR_TYPES = (int, str, date, datetime)


def land_sql(name: str, source: Source, address: Address, parts: Parts, full: bool) -> list[str]:
    """Land the new rows of the query. Returns notes for the user."""
    with _database_errors(name), _connection(address, parts.limits.most) as connection:
        query = _Query(connection, source, name)
        query.refuse_endless(parts.limits.most)
        before = landed_schema(parts)
        if before is not None:
            require_same_columns(query.columns, before, name)
        schema = before or query.schema()
        if source.cursor is None:
            return _land_all(query, schema, parts)
        return _land_from_cursor(query, schema, parts, source.cursor, full)


def _land_all(query: _Query, schema: pa.Schema, parts: Parts) -> list[str]:
    known = landed_rows(parts)
    land_rows(parts, query.batches("", schema), known)
    return missing_rows_note(known)


def _land_from_cursor(query: _Query, schema: pa.Schema, parts: Parts, cursor: str, full: bool) -> list[str]:
    key = query.ordered(cursor)
    since = landed_position(parts, cursor)
    rows, undated, below = query.count(cursor, key, since)
    if undated:
        raise UserError(
            f"{query.where}: {undated:,} rows have no {cursor}, and cannot be placed: exclude them in the "
            "query, or land without a cursor"
        )
    if full or since is None:
        known = landed_rows(parts)
        land_rows(parts, query.batches(f"ORDER BY {key}", schema), known, rows)
        return missing_rows_note(known)
    land_rows(parts, query.batches(f"WHERE {key} >= :last ORDER BY {key}", schema, since.last), since.at, rows - below)
    return missing_rows_note(since.at) + _changed_before_cursor_note(query.where, cursor, since, below)


def _changed_before_cursor_note(name: str, cursor: str, since: CursorPosition, below: int) -> list[str]:
    """A note where rows before the cursor were added or deleted since they landed."""
    if below == since.below:
        return []
    words = f"{below - since.below:,} more" if below > since.below else f"{since.below - below:,} fewer"
    return [
        f"{words} rows than landed have a {cursor} before {since.last}: "
        f"`python -m tasks.land {name} --full` reads everything again and lands what is missing"
    ]


class _Query:
    """A SELECT over an open connection."""

    def __init__(self, connection: sa.Connection, source: Source, where: str) -> None:
        self.connection, self.where = connection, where
        self.quoted = connection.dialect.identifier_preparer.quote_identifier
        if source.table is not None:
            self.sql = f"SELECT * FROM {'.'.join(map(self.quoted, source.table.split('.')))}"
        else:
            self.sql = (source.query or "").strip().rstrip(";")
        self.columns = list(self._run("WHERE 1 = 0").keys())
        names = Counter(re.sub(r":\d+$", "", name) for name in self.columns)  # SQLite names duplicates id and id:1
        if twice := [name for name, times in names.items() if times > 1]:
            raise UserError(f"{where}: the query selects {', '.join(twice)} more than once: give each its own name")
        if source.cursor is not None and source.cursor not in self.columns:
            raise UserError(f"{where}: no column {source.cursor} for cursor; there are {', '.join(self.columns)}")

    def refuse_endless(self, most: Params) -> None:
        """UserError for more rows than ``land.max_rows``: counted up to there before any of them lands."""
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM (\n{_verbatim(self.sql)}\n) AS a LIMIT {most.max_rows + 1}) AS b"
        Limits(self.where, most).spend_rows(self._execute(sql).scalar() or 0)

    def _run(self, clause: str, select: str = "*", **values: Any) -> sa.CursorResult[Any]:
        # The query is the user's own, so nothing in it is a parameter of ours; its last line may be a comment.
        sql = f"SELECT {select} FROM (\n{_verbatim(self.sql)}\n) AS landed {clause}"
        return self._execute(sql, **values)

    def _execute(self, sql: str, **values: Any) -> sa.CursorResult[Any]:
        """Through a cursor of the server: PostgreSQL then takes one statement, and a SELECT only."""
        options = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
        return self.connection.execute(sa.text(sql), values, execution_options=options)

    def schema(self) -> pa.Schema:
        """The type of each column, by the first values that are not null."""
        first = self._run("LIMIT 1000").fetchall()
        return pa.schema([(name, self._type(name, [row[i] for row in first])) for i, name in enumerate(self.columns)])

    def _type(self, name: str, values: list[Any]) -> pa.DataType:
        value = next((value for value in values if value is not None), None)
        if value is None:
            value = self._one(name)
        return pa.string() if value is None else arrow_type(value, name, self.where)

    def _one(self, name: str) -> Any:
        quoted = _verbatim(self.quoted(name))
        return self._run(f"WHERE {quoted} IS NOT NULL LIMIT 1", quoted).scalar()

    def ordered(self, cursor: str) -> str:
        """The cursor as an expression whose order is the one its values have here: text goes by code point."""
        value = self._one(cursor)
        if value is not None and type(value) not in CURSOR_TYPES:
            raise UserError(
                f"{self.where}: the cursor {cursor} is of type {type(value).__name__}: take a column of whole numbers, "
                "text, dates or times, or cast it in the query"
            )
        collation = {"postgresql": '"C"', "sqlite": "BINARY"}[self.connection.dialect.name]
        quoted = _verbatim(self.quoted(cursor))
        return f"({quoted} COLLATE {collation})" if isinstance(value, str) else quoted

    def count(self, cursor: str, key: str, since: CursorPosition | None) -> tuple[int, int, int]:
        """How many rows there are, without a cursor value, and before the position."""
        before = f"SUM(CASE WHEN {key} < :last THEN 1 ELSE 0 END)" if since else "0"
        values = {"last": since.last} if since else {}
        select = f"COUNT(*), COUNT(*) - COUNT({_verbatim(self.quoted(cursor))}), {before}"
        rows, undated, below = self._run("", select, **values).one()
        return rows, undated, below or 0

    def batches(self, clause: str, schema: pa.Schema, last: Any = None) -> Iterator[pa.Table]:
        """The rows as tables of the schema, in its order of columns."""
        result = self._run(clause, **({} if last is None else {"last": last}))
        order = [self.columns.index(name) for name in schema.names]
        for rows in result.partitions(BATCH_ROWS):
            columns = list(zip(*rows, strict=True))
            yield pa.table([to_arrow(columns[i], schema.field(n), self.where) for n, i in enumerate(order)], schema)


def to_arrow(values: tuple[Any, ...], field: pa.Field, where: str) -> pa.Array:
    """The values as the field's type; raises UserError when any of them has another."""
    for value in {type(value): value for value in values if value is not None}.values():
        if (found := arrow_type(value, field.name, where)) != field.type:
            raise UserError(
                f"{where}: column {field.name} was {field.type} and now also holds {found}: cast it to {field.type} in "
                "the query, or land under a new name"
            )
        if isinstance(value, (Decimal, UUID)):
            values = tuple(None if one is None else str(one) for one in values)
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise UserError(
            f"{where}: column {field.name} cannot be stored as {field.type}: {error}; cast it to text"
        ) from None


def arrow_type(value: object, name: str, where: str) -> pa.DataType:
    """The column type that holds a value exactly."""
    if isinstance(value, datetime):
        return TIMESTAMP if value.tzinfo else pa.timestamp("us")
    if (found := TYPES.get(type(value))) is None:
        raise UserError(f"{where}: column {name} is of type {type(value).__name__}: cast it to text in the query")
    return found


def _verbatim(sql: str) -> str:
    return re.sub(r":(?=\w)", r"\:", sql)


@contextmanager
def _connection(address: Address, most: Params) -> Iterator[sa.Connection]:
    """A connection in a read-only transaction on one snapshot of the database."""
    try:
        url = sa.make_url(address.url)
    except ValueError:  # its message may quote a part of a password
        raise sa.exc.ArgumentError("it cannot be parsed") from None
    if url.get_backend_name() == "sqlite":
        path = f"file:{quote(url.database or '')}?mode=ro"
        engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path, uri=True))
    else:
        require_extra("psycopg", "postgres")
        url = url.set(drivername="postgresql+psycopg")
        url = url.set(password=address.secret) if address.secret else url
        engine = sa.create_engine(
            url, isolation_level="REPEATABLE READ", connect_args={"connect_timeout": CONNECT_SECONDS}
        )
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
                _read_only(connection.connection.dbapi_connection)
            else:
                connection = connection.execution_options(postgresql_readonly=True)
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {math.ceil(most.max_minutes * 60_000)}")
            yield connection
    finally:
        engine.dispose()


def _read_only(connection: Any) -> None:
    """SQLite reads, and nothing else: no file attached or written, no extension, no pragma.

    It stops between steps for a signal, and refuses single values beyond ``MAX_VALUE_BYTES``.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.set_progress_handler(lambda: 0, STEPS_BETWEEN_LOOKS)
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in SQLITE_ALLOWED else sqlite3.SQLITE_DENY)


@contextmanager
def _database_errors(where: str) -> Iterator[None]:
    """Raise the database's errors as UserError, those of a lost or unreachable server as Transient."""
    try:
        yield
    except DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        lost = error.connection_invalidated or (isinstance(error, OperationalError) and error.statement is None)
        if lost and "FATAL" not in words and not isinstance(error.orig, sqlite3.Error):
            raise Transient(f"{where}: the database cannot be reached: {words}") from None
        raise UserError(f"{where}: the database refused: {words}") from None
    except SQLAlchemyError as error:
        raise UserError(f"{where}: not an address or a query that can be used: {error}") from None
