"""A trained classifier as MLflow keeps models: its files, a signature, and a loader that needs transformers alone.

``mlflow.pyfunc.load_model`` answers a table with ``label`` and ``score`` for a table with a column ``text`` (of pairs
``text_pair`` too; of an image model ``image``, a path); ``transformers.pipeline`` loads the folder ``classifier`` in it
as it is. A linear model and ``rnn`` are families of Driftline's: they load where its repository is on Python's path.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.core import paths
from tasks.core.files import read_json

CLASSIFIER, CODE, LOADER = "classifier", "code", "driftline_loader"
SCORES = [{"type": "string", "name": "label", "required": True}, {"type": "double", "name": "score", "required": True}]
SOURCE = '''"""Loads the classifier beside it; MLflow imports this."""

import json
from pathlib import Path


class Classifier:
    """Labels and scores of a table's first column, or of its columns text and text_pair."""

    def __init__(self, classify):
        self.classify = classify

    def predict(self, model_input, params=None):
        import pandas as pd

        pairs = "text_pair" in model_input
        rows = model_input[["text", "text_pair"]].to_dict("records") if pairs else model_input.iloc[:, 0].tolist()
        return pd.DataFrame(self.classify(rows), columns=["label", "score"])


def _load_pyfunc(folder):
    from transformers import pipeline

    folder = Path(folder)
    try:
        from tasks.modelling.checkpoints import families
    except ImportError:  # not in Driftline's repository: transformers' own models load, others do not
        pass
    else:
        families.register(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    if (folder / "preprocessor_config.json").is_file():
        classify = pipeline("image-classification", str(folder))
        return Classifier(lambda rows: [answers[0] for answers in classify(rows)])
    return Classifier(pipeline("text-classification", str(folder), truncation=True))
'''


def write(classifier: Path, folder: Path, run_id: str, model_id: str, mlflow_version: str, created: str) -> None:
    """Make ``folder`` MLflow's model of a trained classifier, a run of MLflow's having made it."""
    shutil.copytree(classifier, folder / CLASSIFIER)
    (folder / CODE).mkdir()
    (folder / CODE / f"{LOADER}.py").write_text(SOURCE, encoding="utf-8")
    versions = _versions(classifier)
    (folder / "requirements.txt").write_text(
        "".join(f"{name}=={its}\n" for name, its in versions.items()), encoding="utf-8"
    )
    described = {
        "artifact_path": "model",
        "flavors": {"python_function": {"loader_module": LOADER, "code": CODE, "data": CLASSIFIER}},
        "mlflow_version": mlflow_version,
        "model_uuid": model_id,
        "run_id": run_id,
        "signature": signature(_inputs(classifier)),
        "utc_time_created": created,
    }
    text = StringIO()
    YAML().dump(described, text)
    (folder / "MLmodel").write_text(text.getvalue(), encoding="utf-8")


def _inputs(classifier: Path) -> list[str]:
    if (classifier / "preprocessor_config.json").is_file():
        return ["image"]
    return ["text", "text_pair"] if read_json(classifier / "config.json").get("text_pair") else ["text"]


def signature(reads: Sequence[str]) -> dict[str, Any]:
    """What goes in and what comes out, as MLflow writes it: the columns as JSON texts."""
    inputs = [{"type": "string", "name": name, "required": True} for name in reads]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(SCORES), "params": None}


def _versions(classifier: Path) -> dict[str, str]:
    """Of what loads it: those of the environment that the clone states; none where it states none."""
    file = classifier.parents[1] / paths.ENVIRONMENT
    known = read_json(file) if file.exists() else {}
    return {name: str(known[name]) for name in ("torch", "transformers", "tokenizers", "safetensors") if name in known}
