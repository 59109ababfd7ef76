"""params.yaml as it comes, a linear model, through every stage, on a part of the sample."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.behaviour import BEHAVIOUR
from tasks.core import paths
from tasks.dataset import layout
from tasks.explain import EXPLAINED
from tasks.report import CARD, INDEX
from tests.support.processes import TOP
from tests.support.real_pipeline import SAMPLE, edit, few_rows
from tests.support.stages import commands, run

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A folder in which all stages have run, and the explanations."""
    folder = tmp_path_factory.mktemp("linear")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        SAMPLE.parent.mkdir(parents=True)
        few_rows(folder)
        for name in (paths.PARAMS, BEHAVIOUR):
            (folder / name).write_text((TOP / name).read_text())
        edit(folder, drift__permutations=99)
        for command in (*commands("report"), "python -m tasks.explain"):
            run(command)
    return folder


def metrics(folder, *names):
    return json.loads((folder / paths.metrics(*names)).read_text())


def test_model_and_baseline_are_one_on_both_windows(shipped):
    found = metrics(shipped, "evaluate")
    assert found["macro_f1"] == found["baseline"]["macro_f1"] > 0.8
    assert found["differences"]["macro_f1"] == 0
    assert metrics(shipped, "drift")["performance"]["beside_baseline"]["difference"]["macro_f1"] == 0
    for name in ("reference", "current"):
        window = layout.window(name)
        own, others = (pq.read_table(shipped / path) for path in (window.scored, window.baseline))
        assert own["id"] == others["id"] and own["prediction"] == others["prediction"]


def test_embeddings_are_places_on_the_principal_axes_and_drift_reads_them(shipped):
    window = layout.window("reference")
    embeddings = np.load(shipped / window.embeddings)
    assert len(embeddings) == pq.read_metadata(shipped / window.scored).num_rows
    assert np.isfinite(embeddings).all() and embeddings.std() > 0
    assert "embeddings: axes" in metrics(shipped, "drift")["signals"]


def test_pages_say_that_the_model_is_linear_and_how_to_train_a_transformer(shipped):
    page = (shipped / INDEX).read_text()
    assert "A linear model" in page and "driftline preset transformer" in page
    assert "linear" in (shipped / CARD).read_text()
    assert metrics(shipped, "explain")["mistakes"] >= 0
    assert "<mark" in (shipped / EXPLAINED).read_text() or "class=" in (shipped / EXPLAINED).read_text()
