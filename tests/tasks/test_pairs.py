"""Pairs of texts through the stages: a linear model and a transformer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from tasks.core.errors import UserError
from tasks.core.rows import BETWEEN, apart, contents, inputs, text_of, whole
from tests.support.pairs import LABELS, pairs, splits


def swapped(rows):
    return [(b, a) for a, b in rows]


def test_what_a_row_is_is_told_by_its_columns():
    table = pa.table({"id": ["1", "2"], "text_pair": ["c", None], "text": ["a", "b"]})
    assert inputs(table.column_names) == ["text", "text_pair"]
    assert contents(table) == [("a", "c"), None]
    assert contents(table.drop_columns(["text_pair"])) == ["a", "b"]
    assert inputs(["image", "text_pair"]) == ["image"], "an image has no second text"
    assert [text_of(row) for row in table.to_pylist()] == [f"a{BETWEEN}c", "b"]
    assert (whole("a"), whole(("a", "c"))) == ("a", f"a{BETWEEN}c")
    assert apart([("a", "c"), ("b", "d")]) == [["a", "b"], ["c", "d"]]
    assert (apart(["a", "b"]), apart([])) == ([["a", "b"]], [[]])


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """The folder of a linear model of words and characters."""
    from tasks.finetune import Params
    from tasks.finetune.linear import train
    from tasks.tokenize import as_texts

    folder = tmp_path_factory.mktemp("linear")
    as_texts(splits(), "text", folder / "tokens")
    settings = {"estimator": "logistic_regression", "features": "words_and_characters"}
    train(folder / "tokens", settings, Params(), 7, folder / "classifier")
    return folder / "classifier"


def typed(checkpoint, folder):
    """A checkpoint whose tokenizer gives token types, as BERT's own do."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    names = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_input_names": names}))
    return folder


@pytest.fixture(scope="module")
def transformer(tiny_checkpoint, tmp_path_factory):
    """The folder of a tiny transformer that reads token types."""
    from tasks.finetune import Params
    from tasks.finetune.transformer import finetune, write_classifier
    from tasks.modelling.checkpoints.checkpoint import Checkpoint
    from tasks.tokenize import Params as Tokenize
    from tasks.tokenize import prepared, tokenize
    from tests.support.models import QUICK

    folder = tmp_path_factory.mktemp("transformer")
    source = Checkpoint(str(typed(tiny_checkpoint, folder / "checkpoint")))
    tokenize(splits(), prepared(source, Tokenize(max_length=32), pair=True), folder / "tokens")
    model, _ = finetune(folder / "tokens", source, Params(epochs=1, **QUICK), 7)
    write_classifier(model, folder / "tokens/tokenizer", folder / "classifier")
    return folder / "classifier"


def test_tokens_are_the_tokenizers_own_pair_encoding(transformer):
    from transformers import AutoTokenizer

    from tasks.core.tables import read_table

    rows = read_table(transformer.parent / "tokens/test.parquet")
    tokenizer = AutoTokenizer.from_pretrained(transformer)
    encoded = tokenizer(*apart(contents(splits()["test"])), truncation="longest_first", max_length=32)
    assert rows["input_ids"].to_pylist() == encoded["input_ids"]
    assert rows["token_type_ids"].to_pylist() == encoded["token_type_ids"]
    assert {0, 1} == set(rows["token_type_ids"].to_pylist()[0])
    about = json.loads((transformer.parent / "tokens/labels.json").read_text())
    assert about == {"labels": LABELS, "text_pair": True}


@pytest.mark.parametrize("kind", ["linear", "transformer"])
@pytest.mark.proof
def test_transformers_pipeline_answers_a_pair_as_score_does_and_the_order_matters(kind, request):
    from transformers import pipeline

    import tasks.modelling.checkpoints.families.linear  # noqa: F401  registers it
    from tasks.score import Params
    from tasks.score.predict import predict

    folder = request.getfixturevalue(kind)
    rows = contents(splits()["test"])
    found = predict(rows, folder, Params()).probabilities
    classify = pipeline("text-classification", str(folder), truncation=True, top_k=None)
    for row, (text, text_pair) in zip(found, rows, strict=True):
        said = {one["label"]: one["score"] for one in classify({"text": text, "text_pair": text_pair})}
        assert said == pytest.approx(dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-5)
    alone = np.concatenate([predict([row], folder, Params()).probabilities for row in rows[:12]])
    assert alone == pytest.approx(found[:12], abs=1e-5)
    assert np.abs(predict(swapped(rows), folder, Params()).probabilities - found).max() > 1e-3
    with pytest.raises(UserError, match="reads a pair of texts a row, but the rows have one text"):
        predict(["alone"], folder, Params())


def test_a_linear_model_learns_which_text_a_word_is_of(linear):
    from tasks.score import Params
    from tasks.score.predict import predict

    test = splits()["test"]
    said = predict(contents(test), linear, Params()).answers
    assert np.mean(np.array(said) == np.array(test["label"].to_pylist())) > 0.9
    config = json.loads((linear / "config.json").read_text())
    assert config["text_pair"] is True and len(config["pair_features"]) == 2
    sizes = [config["word_features"], config["char_features"], *config["pair_features"]]
    assert min(sizes) > 0 and sum(sizes) == config["vocab_size"] - 1


def test_the_folder_of_a_linear_model_gives_the_logits_that_were_fitted():
    from tasks.modelling.linear.choices import Choices
    from tasks.modelling.linear.fitting import Labelled, fit
    from tasks.modelling.linear.ngrams import Reader

    rows = splits()
    labels = np.array([LABELS.index(label) for label in rows["train"]["label"].to_pylist()])
    train = Labelled(contents(rows["train"]), labels)
    fitted = fit(train, train, LABELS, Choices(estimator="logistic_regression", features="words"), 7)
    assert len(fitted.sizes) == 4
    reader = Reader(dict(zip(fitted.terms, range(len(fitted.terms)), strict=True)), 2, None)
    first, second = (reader.numbers_of(text) for text in (("soup", ""), ("", "soup")))
    assert fitted.terms[first[0]] == "soup" and fitted.terms[second[0]] == ">soup"


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_an_explanation_says_which_text_a_token_is_of_and_adds_up(kind, request):
    from tasks.explain import Params
    from tasks.explain.attribution import Explainer
    from tasks.explain.weights import LinearExplainer

    folder = request.getfixturevalue(kind)
    pair = ("the bank and the loan", "soup and bread")
    found = (LinearExplainer(folder) if kind == "linear" else Explainer(folder, Params())).explain(pair)
    assert "".join(piece for piece, _ in found.pieces) == pair[0]
    assert "".join(piece for piece, _ in found.second) == pair[1]
    if kind == "linear":
        total = sum(value for _, value in [*found.pieces, *found.second])
        assert total == pytest.approx(found.margin - found.masked_margin, abs=1e-3)


def test_suspected_label_errors_are_found_by_the_second_text():
    from tasks.explain.suspects import suspects

    rows = pairs(200)
    labels = rows["label"].to_pylist()
    wrong = [3, 50, 120]
    for place in wrong:
        labels[place] = next(label for label in LABELS if label != labels[place])
    found = suspects(contents(rows), labels, 3, 5, 7)
    assert sorted(one.row for one in found) == wrong


@pytest.mark.long
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_an_exported_graph_answers_pairs_as_the_model_does(kind, request, tmp_path):
    from tasks.export import Options
    from tasks.export.classifier import export

    pytest.importorskip("onnxscript")
    folder, test = request.getfixturevalue(kind), splits()["test"]
    found = export(folder, test, tmp_path / "onnx", Options(repeat=2, threads=1))["forms"]["onnx"]
    assert found["same_labels"] >= 0.995 and found["largest_difference"] < 1e-4
    session = pytest.importorskip("onnxruntime").InferenceSession(tmp_path / "onnx/model.onnx")
    names = [given.name for given in session.get_inputs()]
    assert ("token_type_ids" in names) == (kind == "transformer")
    with pytest.raises(UserError, match="not trained on rows like those"):
        export(folder, test.drop_columns(["text_pair"]), tmp_path / "other", Options())


@pytest.mark.slow
def test_several_labels_go_with_pairs(tmp_path):
    from tasks.dataset.labels import MULTI
    from tasks.finetune import Params
    from tasks.finetune.linear import train
    from tasks.modelling.targets.multi_label import MULTI_LABEL
    from tasks.score import Params as Score
    from tasks.score.predict import predict
    from tasks.tokenize import as_texts

    def several(table):
        cells = [MULTI.cell([label]) for label in table["label"].to_pylist()]
        return table.set_column(table.column_names.index("label"), "label", pa.array(cells))

    rows = {name: several(table) for name, table in splits().items()}
    as_texts(rows, "text", tmp_path / "tokens", MULTI)
    settings = {"estimator": "logistic_regression", "features": "words"}
    train(tmp_path / "tokens", settings, Params(), 7, tmp_path / "classifier", MULTI_LABEL)
    said = predict(contents(rows["test"]), tmp_path / "classifier", Score()).answers
    assert np.mean(np.array(said) == np.array(rows["test"]["label"].to_pylist())) > 0.8


def test_token_types_are_given_where_the_model_embeds_them(tiny_checkpoint, tmp_path):
    from tasks.modelling.checkpoints import checkpoint
    from tasks.modelling.checkpoints.checkpoint import Checkpoint

    folder = typed(tiny_checkpoint, tmp_path / "checkpoint")
    tokenizer = checkpoint.tokenizer(Checkpoint(str(folder)))
    assert checkpoint.takes_token_types(Checkpoint(str(folder)), tokenizer, pair=True)
    assert checkpoint.encoded(tokenizer, [("a", "b")]).types == [[0, 0, 0, 1, 1]]
    assert checkpoint.encoded(tokenizer, ["a"]).types is None, "of one text a model is trained without them"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}))
    assert not checkpoint.takes_token_types(Checkpoint(str(folder)), tokenizer, pair=True)
    assert checkpoint.takes_token_types(Checkpoint(str(folder)), tokenizer)


def test_a_pair_is_cut_at_its_longer_text(tiny_checkpoint):
    from tasks.modelling.checkpoints import checkpoint
    from tasks.modelling.checkpoints.checkpoint import Checkpoint
    from tasks.tokenize import Params, prepared

    tokenizer = prepared(Checkpoint(str(tiny_checkpoint)), Params(max_length=10), pair=True)
    found = checkpoint.encoded(tokenizer, [("a b", "c d e f g h i j"), ("a b", "c")])
    whole = [tokenizer.convert_tokens_to_ids(tokens.split()) for tokens in ("a b", "c d e f g")]
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    assert [i for i in found.ids[0] if i not in special] == [*whole[0], *whole[1]] and len(found.ids[0]) == 10
    assert found.truncated == 1
