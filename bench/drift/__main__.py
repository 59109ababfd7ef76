"""Whether the drift gate's alarm means what it says: ``python -m bench.drift [PART] [--minutes M]``.

``alarms``: how often ``significant`` is true where nothing has changed, on WordNet's glosses. ``power``: how often it
is true where a share of the rows comes from elsewhere. ``detectable``: the same at the share that a verdict says it
would have detected. Each draws rows without replacement and hands them to the product's own functions; the features of
a row are computed once. What was drawn is kept, so that a run that is stopped, or that M minutes of processor time end,
goes on where it was; ``write`` puts what there is into bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench.corpora import CACHE, glosses, mails, vader
from bench.drift.probe import fit
from bench.results import write_section
from tasks.core.files import write_json
from tasks.drift import Params
from tasks.drift.descriptors import terms
from tasks.drift.detectable_effect import min_contaminated_share
from tasks.drift.permutation import Population
from tasks.drift.rows import Rows
from tasks.drift.signals import populations
from tasks.drift.testing import PermutationResult
from tasks.drift.verdict import run_tests, signal_results

PARTS = ("alarms", "power", "detectable")
ROUNDS = 20  # every cell gets a twentieth of its draws in turn
LARGEST_GROUP = 50
NAMES = {
    "mails": "mails, tweets among them",
    "movies": "film reviews, Amazon's among them",
    "editorials": "film reviews, NYT's among them",
}
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
STATED = 20  # verdicts on draws without foreign rows, whose median share is taken
CURRENT = 500  # rows, where power is measured: there are not more mails
TRAINING = {"glosses": 7_659, "mails": 411, "movies": 1_000, "editorials": 1_000}
BANDS = {100: "3–7 %", 300: "3–7 %", 1_000: "3–7 %", 10_000: "2–8 %", 100_000: "≤ 9 %"}


@dataclass(frozen=True)
class Pool:
    """Rows with everything the gate looks at: those at home first, then those from elsewhere."""

    rows: Rows
    home: int


@cache
def pool(data: str) -> Pool:
    """The rows of one corpus that its probe was not fitted on, in a random order, and all of another."""
    texts, labels, others = _corpora(data)
    order = np.random.default_rng(7).permutation(len(texts))
    learnt, kept = order[: TRAINING[data]], order[TRAINING[data] :]
    probe = fit([texts[i] for i in learnt], [labels[i] for i in learnt])
    truth = None if others else [labels[i] for i in kept]  # of foreign rows no label is known
    return Pool(probe.score([*(texts[i] for i in kept), *others], truth), len(kept))


def _corpora(data: str) -> tuple[list[str], list[str], list[str]]:
    """Texts and labels at home, and foreign texts."""
    if data == "glosses":
        home = glosses()
        return home.texts, home.labels, []
    short = vader()
    of = {name: np.flatnonzero(short.domains == name) for name in ("tweets", "movies", "amazon", "nyt")}
    if data == "mails":
        home = mails()
        return home.texts, home.labels, [short.texts[i] for i in of["tweets"]]
    movies, foreign = of["movies"], of["nyt" if data == "editorials" else "amazon"]
    return [short.texts[i] for i in movies], [short.labels[i] for i in movies], [short.texts[i] for i in foreign]


@dataclass(frozen=True)
class Cell:
    """One question: of so many draws, how many are significant."""

    part: str
    data: str
    reference: int
    current: int
    draws: int
    foreign: float = 0.0
    grouped: bool = False

    @property
    def name(self) -> str:
        """What it is kept under."""
        return json.dumps(asdict(replace(self, draws=0)), sort_keys=True)

    def places(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Which rows of the pool are reference and current in one draw without groups."""
        rng, found = self._rng(number), pool(self.data)
        order = rng.permutation(found.home)
        foreign = found.home + rng.permutation(found.rows.count - found.home)[: round(self.foreign * self.current)]
        now = np.concatenate([order[self.reference : self.reference + self.current - len(foreign)], foreign])
        return np.sort(order[: self.reference]), np.sort(now)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([number, self.reference, self.current, round(1000 * self.foreign), self.grouped])

    def sides(self, number: int) -> tuple[Rows, Rows]:
        """Reference and current of one draw."""
        rows = pool(self.data).rows
        if self.grouped:
            rng = self._rng(number)
            return _in_groups(rows, rng.permutation(pool(self.data).home), self.reference, self.current, rng)
        before, now = self.places(number)
        return rows.take(before), rows.take(now)

    def asked(self, number: int) -> tuple[Params, list[Population], list[PermutationResult]]:
        """What the product asks of one draw, and what permuting showed."""
        params = Params(group="group" if self.grouped else None)
        found = populations(*self.sides(number), params.smallest_effect, number)
        return params, found, run_tests(found, params, number)

    def draw(self, number: int) -> bool:
        """Whether the product calls this draw significant."""
        params, found, tested = self.asked(number)
        return any(signal["significant"] for signal in signal_results(found, tested, params).values())

    def stated(self, number: int) -> float:
        """The smallest share of foreign rows that the product says it would have detected."""
        params, found, tested = self.asked(number)
        return min_contaminated_share(found[0], tested, params.level)[0] or 1.0


def _in_groups(rows: Rows, order: np.ndarray, reference: int, current: int, rng: np.random.Generator) -> Any:
    """Rows repeated 1 to LARGEST_GROUP times, as many in log steps; copies stay together.

    Each side has a fixed number of groups, that of about so many rows: ending it by a number of rows would give the
    sides unlike groups, and what is exchanged must be alike.
    """
    sizes = _sizes(rng, len(order))
    ends = np.cumsum([groups(side) for side in (reference, current)])
    for start, end in zip([0, ends[0]], ends, strict=True):
        which = np.repeat(order[start:end], sizes[start:end])
        yield replace(rows.take(which), groups=which.astype(str).astype(object))


def _sizes(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.exp(rng.uniform(0, np.log(LARGEST_GROUP + 0.5), count)).astype(int)


@cache
def groups(rows: int) -> int:
    """How many groups hold about so many rows."""
    return round(rows / _sizes(np.random.default_rng(7), 100_000).mean())


CELLS = (
    *(Cell("alarms", "glosses", 1_000, current, 1_000) for current in (100, 300, 1_000)),
    Cell("alarms", "glosses", 10_000, 10_000, 400),
    Cell("alarms", "glosses", 10_000, 100_000, 200),
    *(Cell("alarms", "glosses", 1_000, current, 1_000, grouped=True) for current in (100, 300, 1_000)),
    Cell("alarms", "glosses", 10_000, 10_000, 400, grouped=True),
    Cell("alarms", "glosses", 10_000, 100_000, 200, grouped=True),
    *(
        Cell("power", data, reference, CURRENT, 100, foreign)
        for data in ("mails", "movies")
        for reference in (1_000, 5_000)
        for foreign in SHARES
    ),
)


@cache
def cells(part: str) -> list[Cell]:
    """Those of a part; of ``detectable``, at the shares that verdicts on rows without foreign ones state."""
    if part != "detectable":
        return [cell for cell in CELLS if cell.part == part]
    clean = [Cell("detectable", data, reference, CURRENT, 100) for data in NAMES for reference in (1_000, 5_000)]
    file = CACHE / "drift_stated.json"
    shares = json.loads(file.read_text()) if file.exists() else {}
    for cell in clean:
        if cell.name not in shares:
            shares[cell.name] = float(np.median([cell.stated(number) for number in range(STATED)]))
            write_json(shares, file)
    return [replace(cell, foreign=round(shares[cell.name], 4)) for cell in clean]


def measure(part: str, minutes: float) -> None:
    """Draw until all is drawn or the processor time is spent; what was drawn is kept after every handful."""
    kept, end = read(part), time.process_time() + 60 * minutes
    for turn in range(1, ROUNDS + 1):
        for cell in cells(part):
            goal = -(-cell.draws * turn // ROUNDS)
            seen = kept.setdefault(cell.name, {"draws": 0, "significant": 0, "seconds": 0.0})
            while seen["draws"] < goal:
                if time.process_time() > end:
                    print("the time is spent", flush=True)
                    return
                start = time.process_time()
                seen["significant"] += cell.draw(seen["draws"])
                seen["draws"] += 1
                seen["seconds"] += time.process_time() - start
            write_json(kept, _kept(part))
        print(f"{part}: {turn} of {ROUNDS} rounds", flush=True)


def read(part: str) -> dict[str, dict[str, Any]]:
    """What was drawn so far, by the name of the cell."""
    return json.loads(_kept(part).read_text()) if _kept(part).exists() else {}


def _kept(part: str) -> Path:
    return CACHE / f"drift_{part}.json"


def interval(hits: int, draws: int) -> str:
    """Clopper and Pearson's 95 % interval."""
    low = beta.ppf(0.025, hits, draws - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, draws - hits) if hits < draws else 1.0
    return f"{100 * low:.1f} to {100 * high:.1f}"


def head(command: str) -> str:
    """Date, machine and versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores shared with others, no GPU"
    return f"`{command}`, {time.strftime('%Y-%m-%d')}, {machine}; {versions}."


PROBE = (
    "The classifier is a TF-IDF probe with 64 axes of latent semantic analysis as embeddings (bench/probe.py); 999 "
    "permutations, family-wise level 5 %."
)


def alarms_text() -> str:
    """The table of false alarms."""
    lines = []
    for cell in cells("alarms"):
        seen = read("alarms").get(cell.name, {"draws": 0})
        if seen["draws"]:
            rate = f"{seen['significant'] / seen['draws']:.1%} | {interval(seen['significant'], seen['draws'])}"
            copies = f"{groups(cell.current):,}" if cell.grouped else "none"
            lines.append(
                f"| {cell.reference:,} | {cell.current:,} | {copies} | {seen['draws']:,} of {cell.draws:,} | {rate} | "
                f"{BANDS[cell.current]} | {seen['seconds'] / seen['draws']:.2f} |"
            )
    text = (
        f"{head('python -m bench.drift alarms')} {PROBE} WordNet's glosses, both sides drawn from the same 110,000. "
        "Rows in groups are about so many; a group is of 1 to 50 copies, as many in log steps. A side of fewer than "
        "30 groups gets no verdict from the product: there the figure is the test's alone."
    )
    columns = "| reference | current | groups in current | draws | `significant` | 95 % interval | asked | s a draw |"
    return "\n".join([text, "", columns, "|---:|---:|---:|---:|---:|---:|---:|---:|", *lines])


@cache
def separable(data: str) -> float:
    """The area under the curve of a logistic regression on the words that tells home from foreign, on unseen rows."""
    found = pool(data)
    rng = np.random.default_rng(7)
    order = np.concatenate(
        [rng.permutation(found.home)[:2000], found.home + rng.permutation(found.rows.count - found.home)[:2000]]
    )
    truth = order >= found.home
    learn = rng.random(len(order)) < 0.5
    words = terms(found.rows.read_for_words.take(pa.array(order)))
    model = LogisticRegression(C=1.0, max_iter=300).fit(words[learn], truth[learn])
    return float(roc_auc_score(truth[~learn], model.decision_function(words[~learn])))


def power_text() -> str:
    """The table of detections."""
    kept, lines = read("power"), []
    for data in ("mails", "movies"):
        area = separable(data)
        for reference in (1_000, 5_000):
            cells = [kept.get(Cell("power", data, reference, CURRENT, 0, share).name, {"draws": 0}) for share in SHARES]
            if all(seen["draws"] for seen in cells):
                rates = " | ".join(f"{seen['significant'] / seen['draws']:.0%}" for seen in cells)
                lines.append(f"| {NAMES[data]} | {area:.3f} | {reference:,} | {rates} | {cells[0]['draws']} |")
    text = (
        f"{head('python -m bench.drift power')} {PROBE} {CURRENT} current rows without labels, of which a "
        "share is foreign. AUC: a logistic regression on the words tells the two apart on unseen rows."
    )
    shares = " | ".join(f"{share:.0%}" for share in SHARES)
    return "\n".join(
        [text, "", f"| rows | AUC | reference | {shares} | draws |", "|---|---:|---:|" + "---:|" * 6, *lines]
    )


def detectable_text() -> str:
    """The table of the detectable effects that verdicts state, tried on real texts."""
    kept, lines = read("detectable"), []
    for cell in cells("detectable"):
        seen = kept.get(cell.name, {"draws": 0})
        if seen["draws"]:
            rate = f"{seen['significant'] / seen['draws']:.0%} | {interval(seen['significant'], seen['draws'])}"
            rows = round(cell.foreign * cell.current)
            kind = f"{NAMES[cell.data]} | {separable(cell.data):.3f} | {cell.reference:,}"
            draws = f"{seen['draws']} of {cell.draws}"
            lines.append(f"| {kind} | {cell.foreign:.1%} | {rows} | {rate} | {draws} |")
    text = (
        f"{head('python -m bench.drift detectable')} {PROBE} {CURRENT} current rows. A verdict states the smallest "
        f"share of foreign rows that it would have detected in 80 % of cases (the median of {STATED} verdicts on rows "
        "without foreign ones); so many of the rows are then foreign texts. A foreign row is taken to lie in the "
        "outermost tenth of every quantity. A tenth was chosen on the first two kinds of rows; the third is the test, "
        "and there the statement fails: what differs a little in many ways is no such row. AUC: as in the table of "
        "power."
    )
    columns = "| rows | AUC | reference | stated share | foreign rows | `significant` | 95 % interval | draws |"
    return "\n".join([text, "", columns, "|---|" + "---:|" * 7, *lines])


def main() -> None:
    """Draw, or write down what was drawn."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("part", nargs="?", choices=(*PARTS, "write"), help="all of them without one")
    parser.add_argument("--minutes", type=float, default=40, help="of processor time, for each part")
    given = parser.parse_args()
    for part in PARTS:
        if given.part in (part, None):
            measure(part, given.minutes)
    write_section("How often the drift gate alarms over nothing", alarms_text())
    write_section("What contamination the drift gate sees", power_text())
    if read("detectable"):
        write_section("The detectable effect of a drift verdict", detectable_text())


if __name__ == "__main__":
    main()
