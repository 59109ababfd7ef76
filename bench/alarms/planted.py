"""Semi-synthetic streams: real texts in a random order, and one dated change that was planted in them.

Nothing else moves in them, so that the windows before the change, and all of *nothing*, are unharmed by construction as
far as their labels can show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np

from bench.alarms.streams import SEED, Stream, by_time
from bench.corpora import Corpus, glosses, health_tweets

ROWS, MONTHS, CHANGED = 2_000, 8, 5  # rows of a month; the change is planted from the sixth month on
MOST = 5  # classes that are kept: the most frequent ones
SINCE, UNTIL, REFERENCE = "2020-01-01", "2020-09-01", 2
Plant = Callable[[list[str], list[str], np.random.Generator], tuple[list[str], list[str]]]
"""Texts and labels after the change."""


def nothing(texts: list[str], labels: list[str], _: np.random.Generator) -> tuple[list[str], list[str]]:
    """No change: a control."""
    return texts, labels


def typing_errors(texts: list[str], labels: list[str], random: np.random.Generator) -> tuple[list[str], list[str]]:
    """In each second text two letters of each word of four or more change places."""
    found = []
    for text, hit in zip(texts, random.random(len(texts)) < 0.5, strict=True):
        words = [word[0] + word[2] + word[1] + word[3:] if len(word) > 3 else word for word in text.split(" ")]
        found.append(" ".join(words) if hit else text)
    return found, labels


def other_label(texts: list[str], labels: list[str], random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Half of the most frequent class has the label of the next: the same texts, another answer."""
    (first, _), (second, _) = Counter(labels).most_common(2)
    hits = random.random(len(labels)) < 0.5
    return texts, [second if label == first and hit else label for label, hit in zip(labels, hits, strict=True)]


def other_mix(texts: list[str], labels: list[str], random: np.random.Generator) -> tuple[list[str], list[str]]:
    """The class that is rarest before makes half of the rows: they are drawn again, with repetition."""
    rarest = Counter(labels).most_common()[-1][0]
    own, others = (np.flatnonzero([(label == rarest) is wanted for label in labels]) for wanted in (True, False))
    half = len(labels) // 2
    drawn = random.permutation(np.r_[random.choice(own, half), random.choice(others, len(labels) - half)])
    return [texts[i] for i in drawn], [labels[i] for i in drawn]


CHANGES: dict[str, Plant] = {
    "nothing": nothing,
    "typing errors": typing_errors,
    "another label": other_label,
    "another mix": other_mix,
}
CORPORA: dict[str, Callable[[], Corpus]] = {"Glosses": glosses, "Health tweets": health_tweets}


@cache
def _drawn(name: str) -> Corpus:
    """Rows of the most frequent classes in a random order, dated month by month."""
    corpus, random = CORPORA[name](), np.random.default_rng(SEED)
    most = {label for label, _ in Counter(corpus.labels).most_common(MOST)}
    rows = random.permutation([i for i, label in enumerate(corpus.labels) if label in most])[: ROWS * MONTHS]
    starts = np.datetime64("2020-01", "M") + np.repeat(np.arange(MONTHS), ROWS)
    times = starts.astype("datetime64[s]") + np.tile(np.arange(ROWS) * np.timedelta64(1000, "s"), MONTHS)
    return Corpus([corpus.texts[i] for i in rows], [corpus.labels[i] for i in rows], times)


def _planted(name: str, change: str) -> Corpus:
    corpus, cut = _drawn(name), ROWS * CHANGED
    random = np.random.default_rng([SEED, *change.encode()])
    texts, labels = CHANGES[change](corpus.texts[cut:], corpus.labels[cut:], random)
    return replace(corpus, texts=corpus.texts[:cut] + texts, labels=corpus.labels[:cut] + labels)


PLANTED = tuple(
    Stream(
        f"{name} with {change}",
        False,
        partial(_planted, name, change),
        partial(by_time, since=SINCE, until=UNTIL, step=1, reference=REFERENCE, months=True),
    )
    for name in CORPORA
    for change in CHANGES
)
