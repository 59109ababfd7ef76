"""The order of the labels of ``task: ordinal``: as ``label_order`` lists them, else that of the numbers they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import UserError

NUMBER = re.compile(r"[+-]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})", re.ASCII)


def lowest_first(labels: Iterable[str], listed: Sequence[str] = ()) -> list[str]:
    """The labels in order. UserError: one is not listed; or nothing is listed, and one is no number, or two are the
    same."""
    found = sorted(set(labels))
    if listed:
        if unlisted := [label for label in found if label not in listed]:
            raise UserError(
                f"params.yaml: label_order lacks the label {unlisted[0]!r}: add it in its place, or merge it into "
                "another by validate.merge_labels"
            )
        return sorted(found, key=listed.index)
    if odd := [label for label in found if not NUMBER.fullmatch(label)]:
        raise UserError(
            f"params.yaml: task: ordinal cannot tell the order of the labels, as {odd[0]!r} is no number: list all of "
            "them in label_order, the lowest first"
        )
    found.sort(key=Decimal)
    for one, other in pairwise(found):
        if Decimal(one) == Decimal(other):
            raise UserError(
                f"params.yaml: task: ordinal: the labels {one!r} and {other!r} are one number: merge them by "
                "validate.merge_labels"
            )
    return found


def places(labels: Sequence[str], listed: Sequence[str] = ()) -> NDArray[np.int64]:
    """Where each of the ordered ``labels`` stands, [labels]: among the listed ones, which may have others between them,
    else among themselves."""
    return np.array([listed.index(label) for label in labels] if listed else range(len(labels)), np.int64)
