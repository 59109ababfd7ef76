"""Which mails arrive when in the demo: the committed sample, dealt out anew. No Prefect.

The sample's own weeks are no good for a demo: they differ from each other by how the mails were collected, so much that
every one of them has changed (bench/RESULTS.md). Here one mail in two of the sample is given a time at
random within three months, so that weeks are alike but for chance; and one mailing list is held back, and joins in week
11. Whoever files its mails takes them for spam at first, and for what they are a week later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core.errors import UserError

SAMPLE = Path("data/samples/spamassassin.parquet")
TIME: Final = "received_at"
LIST = "[zzzzteana]"  # news of the odd, as the corpus' redaction calls it: unlike the programmers' lists beside it
START, WEEK = datetime(2002, 7, 1, tzinfo=UTC), timedelta(days=7)
WEEKS, LEARNT = 13, 7
"""The model is trained on the first so many weeks; the others are watched."""
JOINS = 11
"""The week in which the list's mails begin, with the wrong label; those of the next week have the right one."""
EVERY, SEED = 2, 7


class Mail(TypedDict):
    """A row of the sample."""

    id: str
    text: str
    label: str
    received_at: datetime
    group: str | None


@dataclass(frozen=True)
class Stream:
    """Rows in the order in which they arrive, and how many are of the list."""

    rows: list[Mail]
    mislabelled: int
    labelled: int

    def write(self, file: Path, like: pa.Schema) -> None:
        """As a source of the pipeline."""
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(self.rows, schema=like), file)


def read(repository: Path) -> pa.Table:
    """The sample as the repository has it. UserError where it is gone."""
    if not (repository / SAMPLE).exists():
        raise UserError(f"{repository / SAMPLE} is not there: the demo replays the mails that come with the repository")
    return pq.read_table(repository / SAMPLE)


def beginning(week: int) -> datetime:
    """When a week begins; the first is 1."""
    return START + (week - 1) * WEEK


def deal(sample: list[Mail], every: int = EVERY, seed: int = SEED) -> Stream:
    """Give each mail a time at random; the same seed deals the same."""
    dice = random.Random(seed)
    mails: list[Mail] = []
    listed: list[Mail] = []
    for mail in sample:
        (listed if LIST in mail["text"].lower() and mail["label"] == "ham" else mails).append(mail)
    dice.shuffle(mails)
    dice.shuffle(listed)
    wrong, right = listed[: len(listed) // 2], listed[len(listed) // 2 :]
    rows = list(_at(mails[::every], dice, START, WEEKS))
    rows += _at([{**mail, "label": "spam"} for mail in wrong], dice, beginning(JOINS), 1)
    rows += _at(right, dice, beginning(JOINS + 1), 1)
    return Stream(sorted(rows, key=lambda row: (row[TIME], row["id"])), len(wrong), len(right))


def _at(mails: list[Mail], dice: random.Random, since: datetime, weeks: int) -> Iterator[Mail]:
    for mail in mails:
        yield {**mail, TIME: since + weeks * WEEK * dice.random()}
