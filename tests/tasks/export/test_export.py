"""What is exported answers like the model that was trained, for texts of any length, or it is not written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.core.params import Model
from tasks.export import SAME_LABELS, Options, compare
from tasks.export import classifier as exporting
from tasks.export.classifier import export, table
from tasks.export.compare import batch_of, measure
from tasks.export.graph import require_onnx
from tasks.finetune import Params
from tasks.finetune.transformer import finetune, write_classifier
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.decision import softmax
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tests.support.mails import mails
from tests.support.models import QUICK

pytestmark = pytest.mark.long  # torch exports each graph anew, 20 s

FEW = Options(threads=1, batch_size=8, repeat=5)
TEXTS = ["free money", "meeting list patch kernel thanks monday " * 9, "win"]


def trained(folder, tokens, model, **section):
    made, _ = finetune(tokens, checkpoint.resolve(model), Params(epochs=2, **QUICK, **section), 7)
    write_classifier(made, tokens / "tokenizer", folder)
    return folder


def family(tiny_checkpoint, cell):
    return Model(name=str(tiny_checkpoint), family="rnn", config={"hidden_size": 8, "cell": cell})


@pytest.fixture(scope="module", params=["bert", "lstm"])
def exported(request, tokens, tiny_checkpoint, tmp_path_factory):
    """A trained classifier, the folder of its export, and the report."""
    pytest.importorskip("onnxscript")
    bert = request.param == "bert"
    model = Model(name=str(tiny_checkpoint)) if bert else family(tiny_checkpoint, request.param)
    folder = tmp_path_factory.mktemp(request.param)
    classifier = trained(folder / "classifier", tokens, model, layers=2 if bert else None)
    return classifier, folder / "onnx", export(classifier, mails(24, 2), folder / "onnx", FEW)


def test_the_graph_gives_the_trained_models_probabilities_for_any_rows_and_lengths(exported):
    classifier, folder, _ = exported
    tokenizer, _ = checkpoint.load_trained(classifier)
    session = pytest.importorskip("onnxruntime").InferenceSession(folder / "model.onnx")
    expected = predict(TEXTS, classifier, ScoreParams(threads=1)).probabilities
    for rows in (slice(0, 1), slice(0, 3), slice(2, 3)):
        (logits,) = session.run(["logits"], batch_of(tokenizer, TEXTS[rows]))
        np.testing.assert_allclose(softmax(logits), expected[rows], atol=1e-5)


def test_without_onnx_its_install_command_is_given(monkeypatch):
    monkeypatch.setattr("tasks.export.graph.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnxruntime: pip install -c requirements.lock -e '.\[onnx\]'"):
        require_onnx()


def test_the_report_tells_of_the_files_that_are_there(exported, tmp_path):
    _, folder, report = exported
    there = {file.name: file.stat().st_size for file in folder.iterdir()}
    kept = {"model.int8.onnx"} if report["int8"]["kept"] else set()
    assert there.keys() == {"model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json"} | kept
    forms = report["forms"]
    assert list(forms) == ["torch", "onnx", "onnx int8"]
    assert forms["onnx"]["same_labels"] >= SAME_LABELS
    assert forms["onnx"]["accuracy"] == forms["torch"]["accuracy"]
    assert forms["onnx"]["megabytes"] == round(there["model.onnx"] / 1e6, 2)
    assert forms["torch"]["largest_difference"] == 0
    write_json(report, tmp_path / "report.json")
    assert table(json.loads((tmp_path / "report.json").read_text())).count("\n") == 4


def test_a_graph_with_other_labels_is_not_written_and_the_last_one_stays(exported, monkeypatch, tmp_path):
    classifier, folder, _ = exported
    target = shutil.copytree(folder, tmp_path / "onnx")
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    honest = compare.with_onnx
    monkeypatch.setattr(exporting, "with_onnx", lambda file, threads: lambda batch: -honest(file, threads)(batch))
    with pytest.raises(UserError, match=r"answer on \d+\.\d+% of the test rows, less than 99.5%: nothing was written"):
        export(classifier, mails(24, 2), target, FEW)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before


def test_a_graph_of_one_length_only_is_refused(tokens, tiny_checkpoint, tmp_path):
    classifier = trained(tmp_path / "classifier", tokens, family(tiny_checkpoint, "plain"))
    with pytest.raises(UserError, match=r"for texts of any length \(plain"):
        export(classifier, mails(24, 2), tmp_path / "onnx", FEW)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize(
    ("small", "kept"),
    [
        ({"same_labels": 1.0, "milliseconds": 1.0}, True),
        ({"same_labels": 1.0, "milliseconds": 2.0}, False),
        ({"same_labels": 0.99, "milliseconds": 1.0}, False),
    ],
)
def test_eight_bits_are_kept_where_they_agree_and_are_faster(small, kept):
    assert exporting.keep_int8({"milliseconds": 2.0}, small)[0] is kept


def test_rows_come_back_in_their_order(exported):
    classifier, _, _ = exported
    tokenizer, model = checkpoint.load_trained(classifier)
    texts = mails(11, 3)["text"].to_pylist()
    found = measure({"torch": compare.with_torch(model)}, tokenizer, texts, 4, 2)["torch"].logits
    expected = [compare.with_torch(model)(batch_of(tokenizer, [text]))[0] for text in texts]
    np.testing.assert_allclose(found, expected, atol=1e-5)
