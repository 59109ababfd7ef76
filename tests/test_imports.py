"""A stage imports only what it uses: naming its parameters must not load a framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

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
def test_a_linear_model_is_trained_without_torch():
    assert not loaded_by("import tasks.finetune.__main__") & {"torch", "transformers"}
