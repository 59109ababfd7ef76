"""What changed in the texts, for a person to read: words, and example texts that hold many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.drift.descriptors import WORD, cleaned
from tasks.drift.rows import Rows
from tasks.redaction import redact

MIN_TEXTS = 5  # that hold a word: rarer words are no evidence of a change, and may well be somebody's name
MIN_WORDS = 5  # of an example: a text of three words is unlike anything
MAX_CHARACTERS = 400  # of an example
MAX_OVERLAP = 0.3  # share of common words above which only one of two texts is shown


@dataclass(frozen=True)
class Word:
    """A word, and the shares of texts that hold it."""

    word: str
    reference: float
    current: float


@dataclass(frozen=True)
class Example:
    """The beginning of a text of the current window, masked, with the words that set it apart from the reference."""

    text: str
    details: dict[str, str]
    words: list[str]


def what_changed(reference: Rows, current: Rows, count: int) -> tuple[list[Word], list[Example]]:
    """The words whose share of texts changed most, and the current texts that are least like the reference."""
    if reference.text is None or current.text is None or count == 0:
        return [], []
    counted = frequent_words([reference.read_for_words, current.read_for_words])
    if counted is None:
        return [], []
    names, held = counted
    before, now = csr_array(held[: reference.count]), csr_array(held[reference.count :])
    shares = [_share(before), _share(now)]
    most = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:count]
    words = [Word(names[i], float(shares[0][i]), float(shares[1][i])) for i in most]
    return words, _examples(current, names, now, log_odds(before, now), count)


def frequent_words(sides: Sequence[pa.ChunkedArray]) -> tuple[list[str], csr_array] | None:
    """The words in at least MIN_TEXTS texts, and which of them each text holds [rows, words]; None without any."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [text for side in sides for text in cleaned(side)]
    counter = CountVectorizer(binary=True, token_pattern=WORD)
    try:
        held = csr_array(counter.fit_transform(texts))
    except ValueError:  # no text holds a word
        return None
    often = np.flatnonzero(held.sum(axis=0) >= MIN_TEXTS)
    names = [str(name) for name in counter.get_feature_names_out()[often]]
    held = csr_array(held[:, often])
    return (names, held) if names else None


def _share(held: csr_array) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.asarray(held.sum(axis=0), dtype=np.float64) / held.shape[0]
    return share


def log_odds(before: csr_array, now: csr_array) -> NDArray[np.float64]:
    """Each word's log odds of being held now against before, half a text added to each count."""
    odds = []
    for held in (before, now):
        count = np.asarray(held.sum(axis=0), dtype=np.float64) + 0.5
        odds.append(np.log(count / (held.shape[0] + 1 - count)))
    ratio: NDArray[np.float64] = odds[1] - odds[0]
    return ratio


def _examples(
    current: Rows, names: Sequence[str], held: csr_array, log_odds: NDArray[np.float64], count: int
) -> list[Example]:
    """The texts with the highest mean log odds of their words, the same text only once."""
    words = np.asarray(held.sum(axis=1))
    scores = np.where(words >= MIN_WORDS, held @ log_odds / np.maximum(words, 1), -np.inf)
    chosen: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if len(chosen) == count or scores[row] == -np.inf:
            break
        if all(_overlap(held, int(row), other) <= MAX_OVERLAP for other in chosen):
            chosen.append(int(row))
    return [_example(current, names, held, log_odds, row) for row in chosen]


def _overlap(held: csr_array, one: int, other: int) -> float:
    """Jaccard similarity of the words of two texts."""
    a, b = _words(held, one), _words(held, other)
    return len(np.intersect1d(a, b)) / len(np.union1d(a, b))


def _words(held: csr_array, row: int) -> NDArray[np.int32]:
    words: NDArray[np.int32] = held.indices[held.indptr[row] : held.indptr[row + 1]]
    return words


def _example(current: Rows, names: Sequence[str], held: csr_array, log_odds: NDArray[np.float64], row: int) -> Example:
    words = _words(held, row)
    strongest = words[np.argsort(-log_odds[words], kind="stable")][:5]
    text = redact(" ".join(str(current.text[row] if current.text is not None else "").split()))
    details = {name: str(values[row]) for name, values in current.categories.items() if values[row] is not None}
    if "confidence" in current.numbers:
        details["confidence"] = f"{current.numbers['confidence'][row]:.2f}"
    return Example(
        text[:MAX_CHARACTERS] + ("…" if len(text) > MAX_CHARACTERS else ""), details, [names[i] for i in strongest]
    )
