"""A policy replayed over a stream of dated, labelled texts, window by window, as the schedule would have run it.

The policy (``flows.policy``), the split, the drift verdict and the promotion gate are the product's own functions. The
model is a logistic regression on a frozen encoder's embeddings, which stands in for full refits. Labels are taken to
have come by the end of their window. What is known of one model on one window is kept in the cache, so that a replay
that was stopped goes on where it was, and policies share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from bench.corpora import CACHE
from flows.policy import Decision, Facts, Rules, decide
from flows.spans import Span
from tasks import drift, gate, split
from tasks.artefacts import write_json
from tasks.drift.estimates import measured
from tasks.drift.rows import Rows, observe
from tasks.drift.verdict import judge as drifted
from tasks.gate.tables import pair
from tasks.gate.verdict import judge as gated
from tasks.split.__main__ import split as into_splits

SEED = 7
PENALTY = 10.0  # C: the inverse strength of the L2 penalty
GATE = gate.Params(rule="not_worse", max_calibration_error=None)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """Texts in order of their times, none of them twice."""

    name: str
    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_]
    times: npt.NDArray[np.datetime64]
    embeddings: npt.NDArray[np.float32]

    def within(self, since: datetime | None, until: datetime) -> Ints:
        """Which rows fall into [since, until)."""
        after = np.ones(len(self.times), bool) if since is None else self.times >= _naive(since)
        return np.flatnonzero(after & (self.times < _naive(until)))

    def table(self, rows: Ints) -> pa.Table:
        """As a window's table; the id is the row's number."""
        stamps = pa.array(self.times[rows].astype("datetime64[us]"), pa.timestamp("us", "UTC"))
        texts, labels = (pa.array(values[rows].tolist(), pa.string()) for values in (self.texts, self.labels))
        return pa.table({"id": [str(i) for i in rows], "text": texts, "label": labels, "timestamp": stamps})


def _naive(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None))


@dataclass(frozen=True)
class Trained:
    """A model and the rows it was not trained on."""

    classifier: LogisticRegression
    held_out: Ints
    test: Ints
    rows: int
    """Trained on."""
    seconds: float

    def answers(self, stream: Stream, rows: Ints) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
        """Predictions and confidences [rows]."""
        chances = self.classifier.predict_proba(stream.embeddings[rows])
        return self.classifier.classes_[chances.argmax(axis=1)].astype(object), chances.max(axis=1)


@dataclass
class Replay:
    """Everything about one stream that does not depend on the policy."""

    stream: Stream
    permutations: int = 999
    redone: int = 0
    """How many looks had to be made; the rest were known."""
    trained: Callable[[datetime], Trained] = field(init=False)

    def __post_init__(self) -> None:
        self.trained = lru_cache(maxsize=None)(self._train)
        words = [self.stream.name, *self.stream.texts, *self.stream.labels, str(self.permutations), str(PENALTY)]
        self.folder = CACHE / f"replay-{hashlib.sha256(chr(0).join(words).encode()).hexdigest()[:16]}"

    def _train(self, until: datetime) -> Trained:
        """On all rows before ``until``, split as the pipeline splits them."""
        start = time.process_time()
        tables, _ = into_splits(self.stream.table(self.stream.within(None, until)), split.Params(), SEED)
        train, validation, test = (np.array(tables[name]["id"].to_pylist(), np.int64) for name in split.NAMES)
        classifier = LogisticRegression(C=PENALTY, max_iter=1000)
        classifier.fit(self.stream.embeddings[train], self.stream.labels[train].astype(str))
        return Trained(classifier, np.concatenate([validation, test]), test, len(train), time.process_time() - start)

    def look(self, until: datetime, window: Span) -> dict[str, Any]:
        """The model trained on all before ``until`` on a window: how right it was, and what monitoring would say."""
        return self._once(
            f"look-{until:%Y%m%d}-{window.since:%Y%m%d}-{window.until:%Y%m%d}", lambda: self._look(until, window)
        )

    def _look(self, until: datetime, window: Span) -> dict[str, Any]:
        start, model = time.process_time(), self.trained(until)
        rows = self.stream.within(window.since, window.until)
        reference, current = self._rows(model, model.held_out), self._rows(model, rows)
        verdict = drifted(reference, current, drift.Params(permutations=self.permutations), SEED)
        said, truth = model.answers(self.stream, rows)[0], self.stream.labels[rows]
        accuracy = measured(current)
        performance = verdict.get("performance") or {}
        several = len(set(truth)) > 1
        return {
            "rows": len(rows),
            "right": "".join("1" if a == b else "0" for a, b in zip(said, truth, strict=True)),
            "accuracy": accuracy.value,
            "interval": [accuracy.low, accuracy.high],
            "macro_f1": float(f1_score(truth.astype(str), said.astype(str), average="macro")) if several else None,
            "drifted": verdict["drifted"],
            "reason": verdict["reason"],
            "estimated": performance.get("estimated_accuracy"),
            "held_out": performance.get("reference_accuracy"),
            "seconds": time.process_time() - start,
        }

    def _rows(self, model: Trained, rows: Ints) -> Rows:
        said, confidence = model.answers(self.stream, rows)
        table = self.stream.table(rows).drop_columns(["id"])
        table = table.append_column("prediction", pa.array(said.tolist(), pa.string()))
        table = table.append_column("confidence", pa.array(confidence))
        return observe(table, self.stream.embeddings[rows], None, self.stream.name)

    def gate(self, champion: datetime, challenger: datetime) -> dict[str, Any]:
        """The promotion gate on a refit, on the refit's own test rows."""
        return self._once(f"gate-{champion:%Y%m%d}-{challenger:%Y%m%d}", lambda: self._gate(champion, challenger))

    def _gate(self, champion: datetime, challenger: datetime) -> dict[str, Any]:
        start, new = time.process_time(), self.trained(challenger)
        truth = self.stream.labels[new.test].tolist()
        ids = [str(i) for i in new.test]
        tables = [
            {"id": ids, "label": truth, "prediction": model.answers(self.stream, new.test)[0].tolist()}
            for model in (self.trained(champion), new)
        ]
        verdict = gated(pair(*tables, None, []), GATE, SEED)
        took = time.process_time() - start
        return {"promote": verdict["promote"], "reason": verdict["reason"], "trained_rows": new.rows, "seconds": took}

    def _once(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        file = self.folder / f"{name}.json"
        if file.exists():
            known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return known
        self.redone += 1
        made = make()
        write_json(made, file)
        return made


@dataclass(frozen=True)
class Step:
    """One window under one policy."""

    window: Span
    trained_until: datetime
    look: dict[str, Any]
    decision: Decision
    gate: dict[str, Any] | None
    """Of the refit, where there was one."""


def walk(replay: Replay, windows: list[Span], rules: Rules, say: Callable[[str], None]) -> list[Step]:
    """The policy over the windows: watch, decide, refit, ask the gate; who is promoted answers the next window."""
    active, tried, steps = windows[0].since, None, []
    for window in windows:
        look = replay.look(active, window)
        facts = Facts(
            at=window.until,
            trained_until=active,
            tried_at=tried,
            drifted=look["drifted"],
            accuracy_then=look["held_out"],
            accuracy_now=look["estimated"],
            accuracy_is="estimated",
            labelled=look["rows"],
        )
        decision, judged = decide(rules, facts), None
        if decision.refit:
            tried, judged = window.until, replay.gate(active, window.until)
        steps.append(Step(window, active, look, decision, judged))
        say(f"{rules.policy:15} {window}: accuracy {look['accuracy']:.3f} on {look['rows']}, {decision}")
        if judged and judged["promote"]:
            active = window.until
    return steps


def summary(steps: list[Step], base: list[Step]) -> dict[str, Any]:
    """Of one policy beside another that saw the same rows: accuracy weighted by rows, and the paired difference."""
    right, other = (np.concatenate([_bits(step) for step in one]) for one in (steps, base))
    difference = right.astype(float) - other
    error = 1.96 * difference.std() / np.sqrt(len(difference))
    refits = [step.gate for step in steps if step.gate]
    return {
        "accuracy": float(right.mean()),
        "difference": float(difference.mean()),
        "error": float(error),
        "alarms": sum(step.look["drifted"] is True for step in steps),
        "refits": len(refits),
        "promoted": sum(one["promote"] for one in refits),
        "trained_rows": sum(one["trained_rows"] for one in refits),
        "seconds": sum(one["seconds"] for one in refits),
    }


def _bits(step: Step) -> npt.NDArray[np.bool_]:
    return np.frombuffer(step.look["right"].encode(), np.uint8) == ord("1")


def plain(rules: Rules) -> str:
    """What a policy looks at, in words."""
    looked_at = {
        "schedule": f", every {rules.every_days:g} days",
        "estimated_loss": f" of {rules.most_loss:g}",
        "alarm": f", cooldown {rules.cooldown_days:g} days",
    }
    return looked_at.get(rules.policy, "")
