"""Stand-ins of finished runs for the page that compares two: answers made up, no repository."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.two_runs import held_out
from tasks.dataset import layout
from tasks.report.verdict import Finding
from tests.support.report_inputs import scored_rows, windows_of

LABELS = ["ham", "spam"]


class StandIn:
    """As much of a run as the page asks for: test rows, and answers of which so many are right."""

    def __init__(self, name, folder, rows=200, first=0, right=0.9, labels=tuple(LABELS), words=""):
        self.name, self.folder = name, folder
        self.record = self.experiment = self.watched = None
        self.home, self.windows, self.is_champion = SimpleNamespace(origin=folder), windows_of(), False
        self.params = {"seed": 7, "evaluate": {"resamples": 200}, words or "model": name}
        self.metrics, self.environment = {}, {words or "torch": f"2.1{len(name)}"}
        self.findings = (Finding("Model", "silent", words or "As before", words, words),) * 2
        truth, _ = scored_rows(LABELS, 400, 3)
        truth = truth.take(pa.array(range(first, first + rows)))
        random = np.random.default_rng(len(name))
        said = [one if random.random() < right else labels[0] for one in truth["label"].to_pylist()]
        chances = {
            f"probability_{one}": [0.8 if one == it else 0.2 / (len(labels) - 1) for it in said] for one in labels
        }
        columns = {"id": truth["id"], "prediction": said, "decision": said, "confidence": [0.8] * rows, **chances}
        for path, table in ((layout.split("test"), truth), (held_out.SCORED, pa.table(columns))):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / path)

    def output(self, path):
        """In its folder."""
        return self.folder / path if (self.folder / path).exists() else None
