"""Drift on real texts, window by window, each with a control: ``python -m bench.drift.real_change``.

Where does accuracy truly fall, does the alarm come before any label comes, and how far off is the accuracy
estimated from the confidences? The control is the same rows in a random order: there, nothing changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bench.corpora import Corpus, health_tweets, mails, vader
from bench.drift.__main__ import head
from bench.drift.probe import fit
from bench.results import write_section
from tasks.drift import Params
from tasks.drift.rows import Rows
from tasks.drift.verdict import drift_verdict

MOST = 3_000  # rows of a window, a random sample
TRAINING = 0.6  # of the first window's rows; the others are held out
FIRST = "reference"
SEED = 7


@dataclass(frozen=True)
class Series:
    """A corpus cut into windows: what each is called, and the window of each row, the reference's first."""

    name: str
    corpus: Corpus
    windows: list[str]
    of_row: np.ndarray


@dataclass(frozen=True)
class Seen:
    """One window against the reference, as it really came or in the control."""

    window: str
    rows: int
    reference: float
    measured: float
    interval: list[float]
    cbpe: float
    error: float
    atc: float
    drifted: bool
    significant: bool
    loudest: str
    kinds: str

    @property
    def fell(self) -> bool:
        """Whether accuracy is below the reference's beyond its interval."""
        return self.interval[1] < self.reference


def series() -> Iterator[Series]:
    """Health tweets by quarter, short texts by domain, mails by week."""
    tweets = health_tweets()
    quarters = np.array([f"{str(day)[:4]} Q{(int(str(day)[5:7]) + 2) // 3}" for day in tweets.times])
    names = sorted({name for name in quarters if "2013 Q2" <= name < "2015 Q2"})
    yield Series(
        "Health tweets by quarter, the outlet as label", tweets, names, _place(quarters, names, quarters < "2013 Q2")
    )
    short = vader()
    rest = short.domains == "movies"
    rest[np.flatnonzero(rest)[1::4]] = False  # a fourth of the reviews is a window
    domains = np.where((short.domains == "movies") & ~rest, "movies, others", short.domains)
    names = ["movies, others", "amazon", "nyt", "tweets"]
    yield Series(
        "Short texts by domain, positive or negative, learnt on film reviews",
        short,
        names,
        _place(domains, names, rest),
    )
    post = mails()
    weeks = post.times.astype("datetime64[W]").astype(str)
    names = sorted({name for name in weeks if "2002-08-01" <= name <= "2002-10-03"})
    yield Series("Mails by week, ham or spam", post, names, _place(weeks, names, weeks < "2002-08-01"))


def _place(values: np.ndarray, names: list[str], reference: np.ndarray) -> np.ndarray:
    """The window of each row: 0 for the reference, then by name; -1 for none."""
    place = np.full(len(values), -1)
    for i, name in enumerate(names):
        place[(values == name) & ~reference] = i + 1
    place[reference] = 0
    return place


def scored(found: Series, control: bool) -> Iterator[tuple[str, Rows, Rows]]:
    """Each window's name, the reference's held-out rows and its own, scored by a probe of the training rows.

    ``control``: the rows in random order, so that no window differs.
    """
    rng = np.random.default_rng([SEED, control])
    of_row = found.of_row.copy()
    if control:
        used = np.flatnonzero(of_row >= 0)
        of_row[used] = rng.permutation(of_row[used])
    rows = rng.permutation(np.flatnonzero(of_row == 0))
    cut = int(TRAINING * len(rows))
    probe = fit(*_texts(found.corpus, rows[:cut]))
    reference = probe.score(*_texts(found.corpus, rows[cut:][:MOST]))
    for i, window in enumerate(found.windows):
        chosen = rng.permutation(np.flatnonzero(of_row == i + 1))[:MOST]
        yield window, reference, probe.score(*_texts(found.corpus, chosen))


def watch(found: Series, control: bool) -> Iterator[Seen]:
    """Hold every window against the reference's held-out rows."""
    for window, reference, current in scored(found, control):
        yield _seen(window, reference, current)


def _texts(corpus: Corpus, rows: np.ndarray) -> tuple[list[str], list[str]]:
    return [corpus.texts[i] for i in rows], [corpus.labels[i] for i in rows]


def _seen(window: str, reference: Rows, current: Rows) -> Seen:
    before = drift_verdict(
        reference, replace(current, categories={"prediction": current.categories["prediction"]}), Params(), SEED
    )
    after = drift_verdict(reference, current, Params(), SEED)
    loudest = max(before["signals"], key=lambda name: before["signals"][name]["effect"])
    found = after["performance"]
    return Seen(
        window,
        current.count,
        found["reference_accuracy"],
        found["measured_accuracy"],
        found["measured_interval"],
        found["estimated_accuracy"],
        found["error"],
        found["atc"]["estimated_accuracy"],
        before["drifted"],
        before["significant"],
        f"{loudest} ({before['signals'][loudest]['effect']:.2f})",
        ", ".join(kind for kind in ("covariate", "label", "concept") if after["change"][kind]) or "none",
    )


def table(found: list[Seen]) -> list[str]:
    """The windows of one series, in Markdown."""
    names = "window | rows | accuracy | 95 % | fell | CBPE | ± | ATC | alarm without labels | loudest signal"
    lines = [
        f"| {s.window} | {s.rows:,} | {s.measured:.3f} | {s.interval[0]:.3f} to {s.interval[1]:.3f} | "
        f"{'yes' if s.fell else ''} | {s.cbpe:.3f} | {s.error:.3f} | {s.atc:.3f} | "
        f"{'drifted' if s.drifted else 'significant, small' if s.significant else 'none'} | {s.loudest} | {s.kinds} |"
        for s in found
    ]
    return [f"| {names} | kinds, with labels |", "|---|---:|---:|---|---|---:|---:|---:|---|---|---|", *lines]


def errors(found: list[Seen]) -> str:
    """How far off the estimates were, beside taking the accuracy to stay as it was."""
    truth = np.array([s.measured for s in found])
    guesses = {
        "CBPE": [s.cbpe for s in found],
        "ATC": [s.atc for s in found],
        "the reference's accuracy": [s.reference for s in found],
    }
    said = ", ".join(f"{name} {np.abs(np.array(values) - truth).mean():.3f}" for name, values in guesses.items())
    within = sum(abs(s.cbpe - s.measured) <= s.error for s in found)
    return f"mean absolute error: {said}; CBPE's ± holds in {within} of {len(found)} windows"


def main() -> None:
    """Measure and write."""
    load, start = os.getloadavg()[0], time.process_time()
    parts: list[str] = []
    for found in series():
        real, control = (list(watch(found, control)) for control in (False, True))
        rung = sum(s.drifted for s in control), sum(s.significant for s in control)
        parts += [
            f"**{found.name}.** Accuracy on the held-out reference: {real[0].reference:.3f}. As it came, "
            f"{errors(real)}. "
            f"Control ({len(control)} windows of the same sizes in a random order, reference "
            f"{control[0].reference:.3f}): "
            f"accuracy {min(s.measured for s in control):.3f} to {max(s.measured for s in control):.3f}, "
            f"{rung[1]} significant, {rung[0]} alarms; {errors(control)}.",
            "",
            *table(real),
            "",
        ]
        print("\n".join(parts[-len(table(real)) - 3 :]), flush=True)
    text = (
        f"{head('python -m bench.drift.real_change')} Load average before: {load:.1f}; "
        f"{time.process_time() - start:.0f} s of processor time. TF-IDF and logistic regression (bench/probe.py), at "
        f"most {MOST:,} rows a window. *Fell*: the reference's accuracy lies above the window's 95 % interval. The "
        "alarm knows no labels; *kinds* does. The tweets' outlets were collected over different spans: many of the "
        "later ones are not in the reference, so that no answer can be right, which no confidence can know."
    )
    write_section("Real change, window by window", "\n".join([text, "", *parts]))


if __name__ == "__main__":
    main()
