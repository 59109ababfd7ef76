"""Does the gate keep what it promises? ``python -m bench.promotion_gate [--gates N]``; minutes.

Real models' answers to the sample's test mails are stored in ``answers.parquet``. Exchanging two models' answers
mail by mail makes pairs of which neither is better; exchanging them with another chance than one half, pairs whose true
difference is what one likes. Writes its section of bench/RESULTS.md.

``--store FOLDER`` makes the stored answers anew from a clone of this repository in which ``dvc repro`` has run.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.optimize import brentq
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bench.results import write_section
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.gate import Params
from tasks.gate.difference import LEVEL, POWER
from tasks.gate.paired import pair_cells
from tasks.gate.tables import pair
from tasks.gate.verdict import gate_verdict

STORED = Path(__file__).with_name("answers.parquet")
HEADING = "What the promotion gate lets through"
PENALTIES = {"tfidf": 1.0, "tfidf_tuned": 10.0, "tfidf_stiff": 0.1}
PAIRS = (("tfidf", "minilm"), ("tfidf_tuned", "minilm"), ("tfidf_stiff", "tfidf"))
SEED = 7


@dataclass(frozen=True)
class Answers:
    """The test rows as two models answer them, sorted so that ``good`` is the right one wherever one of them is."""

    truth: np.ndarray
    good: np.ndarray
    bad: np.ndarray

    def drawn(self, random: np.random.Generator, share: float, redraw: bool) -> dict[str, np.ndarray]:
        """Champion and challenger of one gate: the latter gives the good answer but for ``share`` of the rows."""
        rows = np.arange(len(self.truth))
        if redraw:
            rows = random.choice(rows, len(rows))
        turned = random.random(len(rows)) < share
        good, bad = self.good[rows], self.bad[rows]
        answers = {"champion": np.where(turned, good, bad), "challenger": np.where(turned, bad, good)}
        return {"truth": self.truth[rows], **answers}

    def share_for(self, difference: float) -> float | None:
        """The share of exchanged rows at which macro-F1 truly differs by ``difference``; None beyond what there is."""
        both = pair_cells(self.truth, self.bad, self.good)

        def off(share: float) -> float:
            return float(both.swaps(np.random.default_rng(SEED), 4000, share).mean()) - difference

        return float(brentq(off, 0, 1, xtol=1e-3)) if off(0) > 0 > off(1) else None


def answers(stored: pa.Table, champion: str, challenger: str) -> Answers:
    """Two stored models."""
    truth, a, b = (np.array(stored[name].to_pylist()) for name in ("label", champion, challenger))
    b_is_good = (b == truth) | (a != truth)
    return Answers(truth, np.where(b_is_good, b, a), np.where(b_is_good, a, b))


def gate(drawn: dict[str, np.ndarray], section: Params, seed: int) -> dict[str, Any]:
    """One verdict, by the product's own function."""
    ids = [str(i) for i in range(len(drawn["truth"]))]
    tables = [
        {"id": ids, "label": list(drawn["truth"]), "prediction": list(drawn[name])}
        for name in ("champion", "challenger")
    ]
    return gate_verdict(pair(*tables, None, []), section, seed)


@dataclass(frozen=True)
class Case:
    """What was asked of the gate, and how often it promoted."""

    pair: str
    what: str
    rows: str
    difference: float
    promoted: float
    bound: float
    """The share allowed, or asked for, with two binomial standard errors of room."""
    at_most: bool

    @property
    def kept(self) -> bool:
        return self.promoted <= self.bound if self.at_most else self.promoted >= self.bound


def cases(stored: pa.Table, gates: int) -> Iterator[Case]:
    """Every pair at no difference and at the resolvable one, and *not worse* at minus the margin."""
    better, not_worse = Params(max_calibration_error=None), Params(rule="not_worse", max_calibration_error=None)
    for champion, challenger in PAIRS:
        both, name = answers(stored, champion, challenger), f"{challenger} for {champion}"
        first = gate(both.drawn(np.random.default_rng(SEED), 0.5, redraw=False), better, SEED)
        asked: list[tuple[str, Params, float, float, bool]] = [
            ("*better*, no difference", better, 0.0, LEVEL, True),
            ("*better*, the resolvable one", better, first["detectable_effect"]["difference"], POWER, False),
            ("*not worse*, worse by the margin", not_worse, -not_worse.margin, LEVEL, True),
        ]
        for what, section, difference, share, at_most in asked:
            for redraw in (False, True):
                promoted = share_promoted(both, section, difference, gates, redraw)
                if promoted is not None:
                    room = 2 * math.sqrt(share * (1 - share) / gates) * (1 if at_most else -1)
                    rows = "drawn anew" if redraw else "as stored"
                    yield Case(name, what, rows, difference, promoted, share + room, at_most)


def share_promoted(both: Answers, section: Params, difference: float, gates: int, redraw: bool) -> float | None:
    """Of that many gates at a true difference; None when these answers do not differ by as much."""
    share = 0.5 if difference == 0 else both.share_for(difference)
    if share is None:
        return None
    random = np.random.default_rng(SEED)
    return float(np.mean([gate(both.drawn(random, share, redraw), section, i)["promote"] for i in range(gates)]))


def store(folder: Path) -> None:
    """Write the stored answers: the fine-tuned model's of a run of the pipeline, and three baselines' fitted here."""
    train, test = (pq.read_table(folder / layout.split(name)) for name in ("train", "test"))
    scored = pq.read_table(folder / layout.window("reference").scored).to_pydict()
    said = dict(zip(scored["id"], scored["prediction"], strict=True))
    found = {"id": test["id"], "label": test["label"], "minilm": pa.array([said[i] for i in test["id"].to_pylist()])}
    for name, penalty in PENALTIES.items():
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=penalty, max_iter=1000)
        )
        model.fit(train["text"].to_pylist(), train["label"].to_pylist())
        found[name] = pa.array(model.predict(test["text"].to_pylist()).tolist())
    write_table(pa.table(found), STORED)


def text(found: list[Case], gates: int, seconds: float, stored: pa.Table, load: float) -> str:
    """The section, in Markdown."""
    models = ", ".join(f"C = {penalty:g}: {name}" for name, penalty in PENALTIES.items())
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    head = (
        f"`python -m bench.promotion_gate`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores "
        f"shared with others (load average before: {load:.1f}), no GPU; {versions}. {gates:,} gates a line, "
        f"{seconds:.0f} s in all. The {len(stored)} test mails as the fine-tuned MiniLM answers them, and TF-IDF with "
        f"logistic regression ({models}). Pairs are made by exchanging two models' answers mail by mail, with the "
        "chance that makes the true difference what the third column says; *drawn anew*: the mails are first drawn "
        "with replacement, so that the sample varies too."
    )
    lines = [
        f"| {c.pair} | {c.what} | {c.difference:+.4f} | {c.rows} | {c.promoted:.1%} | "
        f"{'≤' if c.at_most else '≥'} {c.bound:.1%} | {'yes' if c.kept else '**no**'} |"
        for c in found
    ]
    columns = "| answers of | rule and true difference | macro-F1 | rows | promoted | asked, with 2 SE of room | kept |"
    return "\n".join([head, "", columns, "|---|---|---:|---|---:|---:|---|", *lines])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.promotion_gate", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--gates", type=int, default=1000)
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="make the stored answers anew, from a run there")
    given = parser.parse_args()
    if given.store:
        store(given.store)
        return
    stored, load, start = pq.read_table(STORED), os.getloadavg()[0], time.monotonic()
    found = []
    for case in cases(stored, given.gates):
        found.append(case)
        print(f"{case.promoted:6.1%} {'ok ' if case.kept else 'NOT'} {case.pair}: {case.what}, {case.rows}", flush=True)
    write_section(HEADING, text(found, given.gates, time.monotonic() - start, stored, load))


if __name__ == "__main__":
    main()
