"""Models that stand in for full refits: a logistic regression on a frozen encoder's embeddings, computed once.

Split, drift verdict and promotion gate are the product's own. Not covered: calibration, which the gate does not judge
here because the probe's is not the model's; quarantine, because the history holds rows that passed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from flows.backtest.encoder import encoded
from flows.backtest.history import History, Ints
from flows.backtest.replay import Training, WindowResult
from flows.parameters import Labels
from flows.runs.metrics import DriftVerdict
from flows.windows.ranges import TimeRange
from tasks import drift, gate, split, tokenize
from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.params import General
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.verdict import drift_verdict
from tasks.gate import Rule
from tasks.gate.tables import PROBABILITY, Table, pair
from tasks.gate.verdict import extra_columns, gate_verdict
from tasks.split.__main__ import split as into_splits

CHUNK_TEXTS = 5_000  # texts whose embeddings are kept together: what an interruption costs at most
C = 10.0  # C: the inverse strength of the L2 penalty
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Settings:
    """What of ``params.yaml`` a probe reads."""

    general: General
    split: split.Params
    tokenize: tokenize.Params
    drift: drift.Params
    gate: gate.Params

    @classmethod
    def of(cls, file: Path, rule: Rule) -> Settings:
        """From the file, with the gate's rule for a refit."""
        section = params.load(gate.Params, "gate", file)
        return cls(
            params.general(file),
            params.load(split.Params, "split", file),
            params.load(tokenize.Params, "tokenize", file),
            params.load(drift.Params, "drift", file),
            section.model_copy(update={"rule": rule, "max_calibration_error": None, "max_log_loss": None}),
        )


@dataclass(frozen=True)
class Model:
    """A classifier and the rows it was not trained on."""

    classifier: LogisticRegression
    trained: Ints
    held_out: Ints
    test: Ints
    seconds: float


@dataclass
class Probes:
    """As replay.Models."""

    history: History
    settings: Settings
    embeddings: npt.NDArray[np.float32]
    labels: Labels
    model: Callable[[datetime], Model] = field(init=False)

    def __post_init__(self) -> None:
        self.model = lru_cache(maxsize=4)(self._model)
        self.truth: Objects = self.history.rows["label"].to_numpy()

    def train(self, until: datetime) -> Training:
        """On all rows before ``until``."""
        found = self.model(until)
        return Training(len(found.trained), found.seconds)

    def _model(self, until: datetime) -> Model:
        start = time.process_time()
        rows = self.history.before(until)
        numbered = self.history.rows.take(pa.array(rows)).append_column("place", pa.array(rows))
        tables, _ = into_splits(numbered, self.settings.split, self.settings.general.seed)
        train, validation, test = (tables[name]["place"].to_numpy() for name in split.NAMES)
        classifier = LogisticRegression(C=C, max_iter=1000)
        classifier.fit(self.embeddings[train], self.truth[train].astype(str))
        held_out = np.concatenate([validation, test])
        return Model(classifier, train, held_out, test, time.process_time() - start)

    def evaluate(self, until: datetime, window: TimeRange) -> WindowResult:
        """What monitoring would say; where labels are ``late`` it does not see the window's."""
        model, rows = self.model(until), self.history.within(window)
        predictions = self._answers(model, rows)
        current = self._rows(predictions, rows, labelled=self.labels == "at_once")
        reference = self._rows(self._answers(model, model.held_out), model.held_out, labelled=True)
        length = np.timedelta64(window.until - window.since)
        found = drift_verdict(reference, current, self.settings.drift, self.settings.general.seed, length=length)
        verdict = DriftVerdict.of(found, "the backtest's drift verdict")
        return WindowResult.of(len(rows), self.truth[rows].tolist(), predictions["prediction"].to_pylist(), verdict)

    def _answers(self, model: Model, rows: Ints) -> pa.Table:
        """Prediction, confidence and every label's probability."""
        names = [f"{PROBABILITY}{name}" for name in model.classifier.classes_]
        if not len(rows):
            return pa.table({"prediction": pa.array([], pa.string()), "confidence": pa.array([], pa.float64())})
        chances = model.classifier.predict_proba(self.embeddings[rows])
        predictions = model.classifier.classes_[chances.argmax(axis=1)].tolist()
        return pa.table(
            [pa.array(predictions), chances.max(axis=1), *chances.T.copy()], ["prediction", "confidence", *names]
        )

    def _rows(self, predictions: pa.Table, rows: Ints, labelled: bool) -> Rows:
        group = self.settings.drift.group
        names = ["text", "timestamp", *(["label"] if labelled else []), *([group] if group else [])]
        table = self.history.rows.take(pa.array(rows)).select(names)
        for name in ("prediction", "confidence"):
            table = table.append_column(name, predictions[name])
        return rows_from_table(table, self.embeddings[rows], group, "the history")

    def gate(self, champion: datetime, challenger: datetime) -> tuple[bool, str]:
        """On the challenger's test rows; one that cannot be judged is not promoted."""
        old, new = self.model(champion), self.model(challenger)
        beside = extra_columns(self.settings.gate)
        rows = self.history.rows.take(pa.array(new.test))
        rows = rows.select(["id", "label", *sorted((beside - {"id", "label"}) & set(rows.column_names))])
        tables: list[Table] = [
            {**rows.to_pydict(), **self._answers(model, new.test).to_pydict()} for model in (old, new)
        ]
        try:
            rows = pair(tables[0], tables[1], None, beside)
            verdict = gate_verdict(rows, self.settings.gate, self.settings.general.seed)
        except UserError as refusal:
            return False, f"it could not be judged: {refusal}"
        return verdict["promote"], verdict["reason"]


def embedded(history: History, settings: Settings, folder: Path) -> npt.NDArray[np.float32]:
    """The history's embeddings, a piece at a time; the folder keeps those of these texts by this model.

    UserError: a history of images.
    """
    if "text" not in history.rows.column_names:
        raise UserError("ingest.columns.image: a probe embeds texts; only --refit full can replay a history of images")
    if "text_pair" in history.rows.column_names:
        raise UserError("ingest.columns.text_pair: a probe embeds single texts; replay pairs with --refit full")
    texts: list[str] = history.rows["text"].to_pylist()
    pieces = [texts[start : start + CHUNK_TEXTS] for start in range(0, len(texts), CHUNK_TEXTS)]
    return np.concatenate([_chunk(piece, settings, folder) for piece in pieces])


def _chunk(texts: list[str], settings: Settings, folder: Path) -> npt.NDArray[np.float32]:
    how = [settings.general.model.model_dump_json(), settings.tokenize.model_dump_json()]
    file = folder / f"embeddings-{hashlib.sha256(chr(0).join([*how, *texts]).encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        made = encoded(texts, settings.general.model, settings.tokenize)
        with replacing(file) as part, part.open("wb") as out:
            np.save(out, made)
    found: npt.NDArray[np.float32] = np.load(file)
    return found
