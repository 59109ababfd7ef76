"""Watch a stream: a probe for every reference, and the product's drift verdict on every window.

Each watch is kept in a file when it is finished, so that a run that was stopped goes on; the labels of a window are
used for its truth alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from bench.alarms.streams import SEED, STREAMS, Stream, Watch
from bench.corpora import CACHE, Corpus
from bench.drift.probe import Probe, fit
from flows.runs.metrics import DriftVerdict
from tasks.core.files import write_json
from tasks.drift import Params
from tasks.drift.estimates import measured_accuracy
from tasks.drift.rows import Rows
from tasks.drift.verdict import drift_verdict

KEPT = CACHE / "alarms"
TRAINING = 0.6  # of the reference's rows; the others are held out
MAX_TRAINED, MAX_ROWS = 6_000, 4_000  # to learn from; of the held-out rows and of a window: a seeded sample
MIN_ROWS = 100  # of a window


@dataclass(frozen=True)
class Scored:
    """Rows of a side with the probe's chances of each class [n, classes], and their labels."""

    rows: Rows
    chances: np.ndarray
    labels: list[str]


def watch_all(minutes: float, streams: Sequence[Stream] = STREAMS) -> bool:
    """Every watch that is not known yet, the first of each stream first, until the time is spent; whether all are."""
    end = time.monotonic() + 60 * minutes
    corpora = {stream: stream.load() for stream in streams}
    cut = [[(stream, watch) for watch in stream.cut(corpora[stream])] for stream in streams]
    for stream, watch in (one for turn in zip_longest(*cut) for one in turn if one):
        file = KEPT / stream.file / f"{watch.name}.json"
        if file.exists():
            continue
        if time.monotonic() > end:
            return False
        start = time.monotonic()
        found, chances = watched(stream, corpora[stream], watch)
        file.parent.mkdir(parents=True, exist_ok=True)
        if chances:
            np.savez_compressed(file.with_suffix(".npz"), **chances)
        write_json({**found, "seconds": time.monotonic() - start}, file)
        print(f"{stream.name}: {watch.name}, {len(found['windows'])} windows", flush=True)
    return True


def watched(stream: Stream, corpus: Corpus, watch: Watch) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is said of every window of a watch, and the chances that others' estimates need."""
    rng = np.random.default_rng([SEED, *stream.file.encode(), *watch.name.encode()])
    learnt, held_out = split(watch, rng)
    if len({corpus.labels[i] for i in learnt}) < 2:  # nothing to tell apart, so no model
        return {"stream": stream.name, "watch": watch.name, "trained": len(learnt), "windows": []}, {}
    probe = fit(*_texts(corpus, learnt))
    reference = _scored(probe, corpus, held_out)
    kept = {"classes": probe.classifier.classes_, "reference, rows": held_out, **_arrays("reference", reference)}
    windows = []
    for window in watch.windows:
        chosen = rng.permutation(window.rows)[:MAX_ROWS]
        if len(chosen) < MIN_ROWS:
            continue
        now = _scored(probe, corpus, chosen)
        kept |= _arrays(window.name, now) | {f"{window.name}, rows": chosen}
        length = window.range and np.timedelta64(window.range.until - window.range.since)
        windows.append(
            {"name": window.name, "range": _range(window.range), **_window(reference.rows, now.rows, length)}
        )
    return {"stream": stream.name, "watch": watch.name, "trained": len(learnt), "windows": windows}, kept


def split(watch: Watch, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The reference rows that are learnt from, and a sample of the others."""
    rows = rng.permutation(watch.reference)
    cut = int(TRAINING * len(rows))
    return rows[:cut][:MAX_TRAINED], rows[cut:][:MAX_ROWS]


def _texts(corpus: Corpus, rows: np.ndarray) -> tuple[list[str], list[str]]:
    return [corpus.texts[i] for i in rows], [corpus.labels[i] for i in rows]


def _scored(probe: Probe, corpus: Corpus, rows: np.ndarray) -> Scored:
    texts, labels = _texts(corpus, rows)
    times = None if corpus.times is None else corpus.times[rows]
    return Scored(probe.score(texts, labels, times), probe.chances(texts), labels)


def _arrays(name: str, side: Scored) -> dict[str, np.ndarray]:
    return {f"{name}, chances": side.chances.astype(np.float32), f"{name}, labels": np.array(side.labels)}


def _range(found: Any) -> list[str] | None:
    return [found.since.isoformat(), found.until.isoformat()] if found else None


def _window(reference: Rows, now: Rows, length: np.timedelta64 | None) -> dict[str, Any]:
    """The truth, and what is said without the window's labels."""
    unlabelled = replace(now, categories={"prediction": now.categories["prediction"]})
    start = time.monotonic()
    verdict = drift_verdict(reference, unlabelled, Params(), SEED, length=length)
    seconds = time.monotonic() - start
    slim = DriftVerdict.of(verdict, "bench.alarms").model_dump(mode="json", by_alias=True)
    slim["signals"] = {name: signal for name, signal in slim["signals"].items() if signal["alarm"]}
    truth = {name: _accuracy(rows) for name, rows in (("before", reference), ("now", now))}
    return {"rows": now.count, **truth, "drift": slim, "seconds": seconds}


def _accuracy(rows: Rows) -> list[float]:
    found = measured_accuracy(rows)
    return [found.value, found.low, found.high]


def kept_watches(stream: Stream) -> list[dict[str, Any]]:
    """What is known of a stream, in the order of its watches."""
    return [{**json.loads(file.read_text()), "file": file} for file in sorted((KEPT / stream.file).glob("*.json"))]


def kept_chances(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a watch."""
    with np.load(file.with_suffix(".npz")) as found:
        return {name: found[name] for name in found.files}
