"""A stage imports only what it uses: naming its parameters must not load a framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from tasks.core.tables import write_table

PREDICT = "import tasks.score.__main__; from tasks.score.predict import predict"
EXPLAINER = "from tasks.explain.weights import LinearExplainer"
TOP = Path(__file__).parent.parent
STAGES = sorted(YAML(typ="safe").load((TOP / "dvc.yaml").read_text())["stages"])
HEAVY = ("PIL", "torch", "transformers", "datasets", "sklearn", "great_expectations", "evidently", "prefect", "dvc")


def loaded_by(statement):
    code = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.proof
@pytest.mark.parametrize("stage", STAGES)
def test_the_parameters_of_a_stage_are_light_to_import(stage):
    assert loaded_by(f"from tasks.{stage} import Params; Params()") == set()


@pytest.mark.proof
@pytest.mark.parametrize(
    "module", ["tasks.images", "tasks.modelling.pixels", "tasks.ingest.__main__", "tasks.split.__main__"]
)
def test_who_meets_no_image_loads_nothing_for_them(module):
    assert not loaded_by(f"import {module}") & {"PIL", "torch", "transformers"}


@pytest.mark.proof
@pytest.mark.parametrize("stage", ["evaluate", "drift", "report", "split", "ingest"])
def test_what_only_reads_scores_loads_no_torch(stage):
    assert "torch" not in loaded_by(f"import tasks.{stage}.__main__")


@pytest.mark.proof
def test_a_linear_model_is_trained_scored_and_explained_without_torch(tmp_path):
    rows = {"text": ["free money", "cheap pills", "free pills", "see you", "at noon", "you at noon"] * 3}
    for split in ("train", "validation"):
        write_table(pa.table({**rows, "label": [0, 0, 0, 1, 1, 1] * 3}), tmp_path / f"{split}.parquet")
    (tmp_path / "labels.json").write_text('{"labels": ["ham", "spam"]}')
    train = f"linear.train(Path({str(tmp_path)!r}), {{}}, Params(), 0, Path({str(tmp_path / 'model')!r}))"
    used = loaded_by(f"from pathlib import Path; from tasks.finetune import Params, linear; {train}")
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert "sklearn" in used and not used & {"torch", "transformers"}
    score = f"predict(['free money'], Path({str(tmp_path / 'model')!r}), Params()).answers"
    assert not loaded_by(f"from pathlib import Path; from tasks.score import Params; {PREDICT}; {score}")
    explain = f"LinearExplainer(Path({str(tmp_path / 'model')!r})).explain('free money')"
    assert not loaded_by(f"from pathlib import Path; import tasks.explain.__main__; {EXPLAINER}; {explain}")
