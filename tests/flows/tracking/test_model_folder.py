"""The loader beside the model, in a process of its own as MLflow runs it: of a linear model too."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from flows.tracking import model_folder
from tasks.modelling.checkpoints.families.linear import LinearConfig, LinearForSequenceClassification, LinearTokenizer
from tests.support import tiny_checkpoint
from tests.support.processes import TOP

LABELS = {"num_labels": 2, "id2label": {0: "ham", 1: "spam"}, "label2id": {"ham": 0, "spam": 1}}
PREDICT = """
import pandas as pd, {loader}
found = {loader}._load_pyfunc({folder!r}).predict(pd.DataFrame({{"text": ["win a prize", "monday"]}}))
print(list(found.columns), set(found["label"]) <= {{"ham", "spam"}}, len(found))
"""


def bert(folder):
    base = tiny_checkpoint.make(folder.with_name("base"))
    AutoModelForSequenceClassification.from_pretrained(base, **LABELS).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)


def linear(folder):
    folder.mkdir(parents=True)
    terms = {"win": 0, "prize": 1, "monday": 2, "a": 3}
    (folder / "vocab.json").write_text(json.dumps(terms))
    LinearTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    LinearForSequenceClassification(LinearConfig(vocab_size=len(terms) + 1, **LABELS)).save_pretrained(folder)


@pytest.mark.long
@pytest.mark.parametrize("make", [bert, linear], ids=["bert", "linear"])
def test_a_model_answers_with_labels_and_scores(make, tmp_path):
    made = tmp_path / "made"
    make(tmp_path / "models" / "classifier")
    model_folder.write(tmp_path / "models" / "classifier", made, "a" * 32, "b" * 32, "3.17.2", "2026-11-28 05:00:00.0")
    words = PREDICT.format(loader=model_folder.LOADER, folder=str(made / model_folder.CLASSIFIER))
    around = f"import sys; sys.path[:0] = [{str(made / model_folder.CODE)!r}, {str(TOP)!r}]\n"
    done = subprocess.run([sys.executable, "-c", around + words], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1:] == ["['label', 'score'] True 2"], done.stderr
