"""Texts, or pairs of them, that occur more than once, letter for letter or but for case, spacing and compatibility
forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.core.rows import Text

SPACE = re.compile(r"\s")
CHUNK = 1 << 20  # a list of a text's words takes ten times the text


def normalised(text: str, piece: int = CHUNK) -> str:
    """The text in NFKC, case folded, runs of white space as one space; ``piece`` characters or more at a time."""
    return " ".join(_pieces(text, piece))


def _pieces(text: str, piece: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        space = SPACE.search(text, start + piece)
        end = space.start() if space else len(text)
        if found := " ".join(unicodedata.normalize("NFKC", text[start:end]).casefold().split()):
            yield found
        start = end


def copy_key(text: Text) -> bytes:
    """A hash of the normalised text, which is never in memory as a whole; of a pair that of each, in order."""
    if not isinstance(text, str):
        return b"".join(map(copy_key, text))
    hashed = sha256()
    for number, piece in enumerate(_pieces(text, CHUNK)):
        hashed.update((f" {piece}" if number else piece).encode())
    return hashed.digest()


def may_be_repeated(texts: Iterable[Text], count: int) -> NDArray[np.bool_]:
    """Which of so many texts may have a copy, [count]: every one that has, and hardly any other."""
    keys = np.fromiter(map(_quick_key, texts), np.int64, count)
    order = np.sort(keys)
    return np.isin(keys, np.unique(order[1:][order[1:] == order[:-1]]))


def _quick_key(text: Text) -> int:
    return hash(normalised(text) if isinstance(text, str) and len(text) < CHUNK else copy_key(text))


def find_copies(
    ids: Sequence[str],
    texts: Iterable[Any],
    labels: Sequence[str | None],
    released: Collection[str] = (),
    key: Callable[[Any], Hashable] = copy_key,
) -> pd.DataFrame:
    """For each row, in order: ``copy_of``, the id of the first row with the same normalised Text (or ``key``), and
    ``conflicts_with``, the id of one that has another label; null where there is none.

    All copies of a text whose labels disagree have ``conflicts_with``: nobody knows which label is right. Rows
    whose ids are in ``released`` have been reviewed and conflict with none: the first of a text counts as its original.
    """
    rows = pd.DataFrame({"id": ids, "label": labels, "key": pd.factorize(pd.Series(map(key, texts)))[0]})
    first = rows.groupby("key", sort=False)["id"].transform("first")
    found = pd.DataFrame({"copy_of": first.where(first != rows["id"]), "conflicts_with": _conflicting_ids(rows)})
    if released:
        _accept_released(rows, found, rows["id"].isin(list(released)) & found["conflicts_with"].notna())
    return found.astype(object)


def _conflicting_ids(rows: pd.DataFrame) -> pd.Series:
    """The id of a row with the same text (or ``key``) and another label; null where there is none."""
    labelled = rows.dropna(subset="label")
    one = labelled.drop_duplicates("key").set_index("key")
    another = labelled[labelled["label"] != labelled["key"].map(one["label"])].drop_duplicates("key").set_index("key")
    as_first = rows["label"] == rows["key"].map(one["label"])
    conflicting = rows["key"].map(another["id"])
    return conflicting.where(as_first | conflicting.isna(), rows["key"].map(one["id"]))


def _accept_released(rows: pd.DataFrame, found: pd.DataFrame, released: pd.Series) -> None:
    chosen = rows[released].drop_duplicates("key").set_index("key")["id"]
    mine = rows.loc[released, "key"].map(chosen)
    found.loc[released, "copy_of"] = mine.where(mine != rows.loc[released, "id"])
    found.loc[released, "conflicts_with"] = None


def is_repeated(values: pd.Series) -> pd.Series:
    """For each value, whether an earlier one is the same; one that is missing never is."""
    return values.duplicated() & values.notna() & (values != "")
