"""A small classifier that stands in for the fine-tuned one where a measurement scores 100,000 texts in seconds.

TF-IDF over hashed words, 64 axes of latent semantic analysis as the embeddings, logistic regression on the words for
predictions and confidences. All of it is learnt from the training rows only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from tasks.drift.descriptors import terms
from tasks.drift.rows import Rows, rows_from_table

AXES = 64
WORDS = 20_000  # the most frequent of the training rows


@dataclass(frozen=True)
class Probe:
    """A fitted probe: the columns of hashed words it reads, its axes and its classifier."""

    columns: np.ndarray
    axes: TruncatedSVD
    weigh: TfidfTransformer
    classifier: LogisticRegression

    def chances(self, texts: list[str]) -> np.ndarray:
        """The chance of each class [texts, classes], as ``classifier.classes_`` has them."""
        return self.classifier.predict_proba(self._weighed(pa.array(texts, pa.large_string())))

    def _weighed(self, text: pa.Array) -> csr_matrix:
        return self.weigh.transform(csr_matrix(terms(text)[:, self.columns]))

    def score(self, texts: list[str], labels: list[str] | None, times: np.ndarray | None = None) -> Rows:
        """Everything the gate looks at, of each text."""
        text = pa.array(texts, pa.large_string())
        weighed = self._weighed(text)
        chances = self.classifier.predict_proba(weighed)
        table = pa.table({"text": text, "prediction": self.classifier.classes_[chances.argmax(axis=1)].tolist()})
        table = table.append_column("confidence", pa.array(chances.max(axis=1)))
        if labels is not None:
            table = table.append_column("label", pa.array(labels))
        if times is not None:
            table = table.append_column(
                "timestamp", pa.array(times.astype("datetime64[us]"), pa.timestamp("us", "UTC"))
            )
        return rows_from_table(table, self.axes.transform(weighed).astype(np.float32), None, "here")


def fit(texts: list[str], labels: list[str], penalty: float = 10.0) -> Probe:
    """Learn a probe from labelled texts."""
    held = csr_array(terms(pa.array(texts, pa.large_string())))
    frequent = np.argsort(-held.sum(axis=0), kind="stable")[:WORDS]
    columns = np.sort(frequent[held.sum(axis=0)[frequent] > 1])
    weigh = TfidfTransformer()
    weighed = weigh.fit_transform(csr_matrix(held[:, columns]))
    axes = TruncatedSVD(AXES, random_state=7).fit(weighed)
    classifier = LogisticRegression(C=penalty, max_iter=300).fit(weighed, np.array(labels))
    return Probe(columns, axes, weigh, classifier)
