"""Texts that occur more than once, letter for letter or but for case, spacing and compatibility forms."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pandas as pd


def normalised(text: str) -> str:
    """The text in NFKC, case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def copies(ids: Sequence[str], texts: Sequence[str], labels: Sequence[str | None]) -> pd.DataFrame:
    """For each row, in order: ``copy_of``, the id of the first row with the same normalised text, and
    ``labelled_otherwise``, the id of one that has another label; null where there is none.

    All copies of a text whose labels disagree have ``labelled_otherwise``: nobody knows which label is right.
    """
    rows = pd.DataFrame({"id": ids, "label": labels, "key": pd.factorize(pd.Series(map(normalised, texts)))[0]})
    by_text = rows.groupby("key", sort=False)
    first = by_text["id"].transform("first")
    disagree = by_text["label"].transform("nunique") > 1
    other = pd.Series([None] * len(rows), dtype=object)
    for _, group in rows[disagree].groupby("key", sort=False):
        one, another = group.dropna(subset="label").drop_duplicates("label")["id"].iloc[:2]
        label = group.loc[group["id"] == one, "label"].iloc[0]
        other.loc[group.index] = [another if its == label else one for its in group["label"]]
    return pd.DataFrame({"copy_of": first.where(first != rows["id"]).astype(object), "labelled_otherwise": other})
