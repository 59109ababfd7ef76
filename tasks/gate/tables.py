"""Two tables of predictions become one: the same rows, in the order of their ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import UserError
from tasks.dataset.labels import MULTI, SINGLE, LabelFormat
from tasks.statistics.measures import Floats
from tasks.tables.any_table import empty_as_missing, read_any_table

Table = dict[str, list[Any]]
"""Values by column, all columns of one length."""

PROBABILITY = "probability_"
TOLERANCE = 1e-3  # of a row's sum of probabilities, which may be rounded


class DifferentTasks(UserError):
    """One model gives a row a label, the other a list of them."""


@dataclass(frozen=True)
class Predictions:
    """What one model predicts for the rows."""

    predicted: list[str]
    confidence: Floats | None
    """Of the predicted label, [rows]."""
    probability: dict[str, Floats]
    """By label, each [rows]; empty where the table has none."""


@dataclass(frozen=True)
class Pair:
    """Both models' predictions of the same rows, by rising id."""

    ids: list[str]
    truth: list[str]
    champion: Predictions
    challenger: Predictions
    columns: dict[str, list[str | None]]
    """The extra columns that a table has, as text."""
    written: LabelFormat = SINGLE
    """Whether a row has one label, or a list of them."""


def read_predictions(path: Path) -> Table:
    """A table of predictions: csv, tsv, jsonl or parquet."""
    found = read_any_table(path, without=("text",))  # the heaviest column, and no answer
    return dict(empty_as_missing(found).to_pydict())


def pair(champion: Table, challenger: Table, truth: Table | None, columns: Iterable[str]) -> Pair:
    """Match the rows by id. UserError where ids, labels or predictions are missing, ambiguous or contradictory."""
    places = {"champion": _places(champion, "champion"), "challenger": _places(challenger, "challenger")}
    _same(places["champion"], places["challenger"])
    tables = {"champion": champion, "challenger": challenger}
    if truth is not None:
        tables, places = {**tables, "truth": truth}, {**places, "truth": _places(truth, "truth")}
        _all_have_truth(places["champion"], places["truth"])
    ids = sorted(places["champion"])
    rows = {
        name: {key: [values[places[name][i]] for i in ids] for key, values in table.items()}
        for name, table in tables.items()
    }
    written = _written({name: _texts(rows[name], "prediction", name) for name in ("champion", "challenger")})
    return Pair(
        ids,
        _truth(rows, ids),
        _predictions(rows["champion"], "champion", ids, written),
        _predictions(rows["challenger"], "challenger", ids, written),
        {name: found for name in columns if (found := _extra_column(rows, name)) is not None},
        written,
    )


def _places(table: Table, name: str) -> dict[str, int]:
    """The position of each id."""
    ids = _texts(table, "id", name)
    places = {key: i for i, key in enumerate(ids)}
    if not ids:
        raise UserError(f"{name}: the table has no rows")
    if len(places) < len(ids):
        twice = next(key for i, key in enumerate(ids) if places[key] != i)
        raise UserError(f"{name}: {len(ids) - len(places)} rows have an id that another row has, {twice!r} for one")
    return places


def _texts(table: Table, column: str, name: str) -> list[str]:
    """A column as text, every value there."""
    if column not in table:
        raise UserError(f"{name}: no column {column!r}; the table has {', '.join(table) or 'none'}")
    values = table[column]
    missing = sum(value is None for value in values)
    if missing:
        raise UserError(f"{name}: {missing} rows have no {column}, the {values.index(None) + 1}. for one")
    return [str(value) for value in values]


def _same(champion: Collection[str], challenger: Collection[str]) -> None:
    alone = {"champion": set(champion) - set(challenger), "challenger": set(challenger) - set(champion)}
    unmatched = [f"{len(ids)} only the {name}'s, {min(ids)!r} for one" for name, ids in alone.items() if ids]
    if unmatched:
        raise UserError(
            f"the tables do not hold the same ids: {'; '.join(unmatched)}. Score both models on the same rows"
        )


def _all_have_truth(ids: Collection[str], known: Collection[str]) -> None:
    missing = set(ids) - set(known)
    if missing:
        raise UserError(f"truth: {len(missing)} of {len(ids)} rows are not in it, {min(missing)!r} for one")


def _truth(rows: dict[str, Table], ids: list[str]) -> list[str]:
    """The labels of whichever tables have them; they have to agree."""
    found = {name: _texts(table, "label", name) for name, table in rows.items() if "label" in table}
    if not found:
        raise UserError("no table has a column 'label': put it in one of them, or name a table with --truth")
    first, *others = found.items()
    for name, labels in others:
        differing = [i for i, (a, b) in enumerate(zip(first[1], labels, strict=True)) if a != b]
        if differing:
            raise UserError(
                f"{first[0]} and {name} have different labels for {len(differing)} rows, {ids[differing[0]]!r} for one"
            )
    return first[1]


def _extra_column(rows: dict[str, Table], column: str) -> list[str | None] | None:
    """Its values as text; None where no table has it."""
    for table in rows.values():
        if column in table:
            return [None if value is None else str(value) for value in table[column]]
    return None


def _predictions(table: Table, name: str, ids: list[str], written: LabelFormat) -> Predictions:
    """A model's predictions, with probabilities where the table has them."""
    predicted = _texts(table, "prediction", name)
    probability = {
        column.removeprefix(PROBABILITY): _shares(table, column, name, ids)
        for column in table
        if column.startswith(PROBABILITY)
    }
    if probability and not written.several:
        total = np.sum(list(probability.values()), axis=0)
        apart = np.flatnonzero(abs(total - 1) > TOLERANCE)
        if len(apart):
            raise UserError(
                f"{name}: the probabilities of row {ids[apart[0]]!r} sum to {total[apart[0]]:.6g}, not to 1"
            )
        zero = np.zeros(len(ids))
        chosen = np.array([probability.get(label, zero)[i] for i, label in enumerate(predicted)])
        return Predictions(predicted, chosen, probability)
    confidence = _shares(table, "confidence", name, ids) if "confidence" in table else None
    return Predictions(predicted, confidence, probability)


def _written(answers: Mapping[str, list[str]]) -> LabelFormat:
    """Whether every model answers with lists of labels, or none does. DifferentTasks where only some do."""
    lists = {name: all(map(MULTI.is_cell, values)) for name, values in answers.items()}
    if len(set(lists.values())) > 1:
        (several,) = (name for name, found in lists.items() if found)
        raise DifferentTasks(
            f"Only the {several} answers with lists of labels, so the two cannot be compared: "
            "`driftline promote --force` promotes it all the same."
        )
    return MULTI if all(lists.values()) else SINGLE


def _shares(table: Table, column: str, name: str, ids: list[str]) -> Floats:
    values = _texts(table, column, name)
    try:
        shares = np.array([float(value) for value in values])
    except ValueError as error:
        raise UserError(f"{name}: column {column!r}: {error}") from None
    wrong = np.flatnonzero(~((shares >= 0) & (shares <= 1)))
    if len(wrong):
        raise UserError(f"{name}: {column} of row {ids[wrong[0]]!r} is {shares[wrong[0]]:g}, which is no probability")
    return shares
