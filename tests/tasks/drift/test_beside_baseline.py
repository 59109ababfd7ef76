"""Model and baseline on the labelled current rows: scikit-learn's figures, and the interval of the difference."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tasks.drift.beside_baseline import beside_baseline
from tasks.drift.rows import rows_from_table


def rows(truth, said):
    return rows_from_table(pa.table({"label": truth, "prediction": said}), None, None, "here")


def answers(truth, right, seed):
    random = np.random.default_rng(seed)
    return [one if random.random() < right else ("spam" if one == "ham" else "ham") for one in truth]


def test_figures_are_scikit_learns_and_unlabelled_rows_do_not_count():
    truth = np.random.default_rng(1).choice(["ham", "spam"], 400).tolist()
    model, baseline = answers(truth, 0.7, 2), answers(truth, 0.95, 3)
    labels = [None if i % 4 == 0 else one for i, one in enumerate(truth)]
    found = beside_baseline(rows(labels, model), baseline, 7)
    known = [i for i in range(400) if i % 4]
    for name, measure in (("accuracy", accuracy_score), ("macro_f1", lambda t, s: f1_score(t, s, average="macro"))):
        own, its = (measure([truth[i] for i in known], [said[i] for i in known]) for said in (model, baseline))
        assert found[name] == pytest.approx(own, abs=1e-6) and found["baseline"][name] == pytest.approx(its, abs=1e-6)
        low, high = found["interval"][name]
        assert low < found["difference"][name] < high < 0
    assert found["rows"] == 300
    assert beside_baseline(rows(labels, baseline), baseline, 7)["interval"]["macro_f1"] == [0.0, 0.0]


def test_few_labels_say_nothing():
    labels = ["ham"] * 29 + [None] * 50
    assert beside_baseline(rows(labels, ["ham"] * 79), ["ham"] * 79, 7) is None
