"""A linear classifier is scikit-learn's, in every form: fitted, in its folder, loaded by transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from transformers import pipeline

import tasks.modelling.checkpoints.families.linear  # noqa: F401 — the one import that the stock pipeline needs
from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.explain.weights import LinearExplainer
from tasks.finetune import Params
from tasks.finetune.linear import train as finetune
from tasks.modelling.checkpoints import checkpoint, head
from tasks.modelling.decision import softmax
from tasks.modelling.linear import folder, ngrams, tfidf
from tasks.modelling.linear.choices import Choices
from tasks.modelling.linear.fitting import Labelled, fit
from tasks.modelling.linear.scorer import Scorer
from tasks.score import Params as Score
from tasks.score.predict import predict
from tests.support.mails import mails

TEXT = st.text(alphabet=st.sampled_from("abcdeAB ßİΣ \t\n0_#[]-漢字😀é"), max_size=40)
ODD = ["", " ", "[PAD]", "free money [PAD] free", "FREE Money ΑΣ İstanbul straße", "漢字漢字 漢字", "a b c"]


def labelled(count, seed):
    table = mails(count, seed)
    return Labelled(table["text"].to_pylist(), np.array([label == "spam" for label in table["label"].to_pylist()], int))


def fitted(axes=4, **choices):
    return fit(labelled(80, 1), labelled(40, 2), ["ham", "spam"], Choices(**choices), 7, axes=axes)


@pytest.fixture(scope="module")
def both():
    return fitted(features="words_and_characters", estimator="svm")


@pytest.fixture(scope="module")
def saved(both, tmp_path_factory):
    made = tmp_path_factory.mktemp("linear")
    folder.write(both, made)
    return made


@pytest.mark.proof
@given(st.lists(TEXT, min_size=2, max_size=12))
@settings(max_examples=150, deadline=None)
def test_terms_are_scikit_learns(texts):
    words = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).build_analyzer()
    for text in texts:
        assert ngrams.words(text, 2) == words(text)
        own = [term for part in ngrams.parts(text) for term in ngrams.characters(part, 3, 4)]
        assert sorted(own) == sorted("#" + term for term in characters(text))


def test_a_part_is_read_at_its_places():
    """Every n-gram stands in the text where its places say, in the order of the numbers."""
    text = "Straße İs free  MONEY free money ΑΣ"
    terms = sorted({*ngrams.words(text, 2), *(t for part in ngrams.parts(text) for t in ngrams.characters(part, 3, 4))})
    reader = ngrams.Reader({term: i for i, term in enumerate(terms)}, 2, (3, 4))
    places = list(reader.places(text))
    assert [number for number, _ in places] == reader.numbers(text)
    for number, spans in places:
        found = " ".join(text[begin:end] for begin, end in spans).lower()
        assert terms[number].removeprefix("#").strip() in found if terms[number][0] == "#" else found == terms[number]


@pytest.mark.proof
@pytest.mark.parametrize("features", ["words", "words_and_characters"])
def test_probabilities_are_those_of_scikit_learns_pipeline(features, tmp_path):
    rows, held_out = labelled(80, 1), labelled(40, 2)
    found = fitted(features=features, estimator="logistic_regression", penalty=10.0)
    blocks = [TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)]
    if features != "words":
        blocks.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), min_df=2, sublinear_tf=True))
    reference = make_pipeline(make_union(*blocks), LogisticRegression(C=10, max_iter=1000, random_state=7, tol=1e-4))
    reference.fit(rows.texts, rows.labels)
    random = np.random.default_rng(3)
    texts = [*held_out.texts, *ODD, *(" ".join(random.choice(["free", "meeting", "xyz"], 5)) for _ in range(20))]
    raw = found.logits(texts) * found.calibration.divisor
    np.testing.assert_allclose(softmax(raw), reference.predict_proba(texts), atol=1e-6)
    folder.write(found, tmp_path)
    scored = predict(texts, tmp_path, Score()).probabilities
    np.testing.assert_allclose(scored, softmax(found.logits(texts)), atol=1e-6)


def test_it_loads_with_the_stock_pipeline_and_a_row_is_the_same_in_any_batch(both, saved):
    classify = pipeline("text-classification", str(saved), truncation=True, top_k=None)
    texts = [*labelled(20, 5).texts, *ODD]
    expected = softmax(both.logits(texts))
    for size in (1, 8):
        for row, shares in zip(expected, classify(texts, batch_size=size), strict=True):
            assert {one["label"]: one["score"] for one in shares} == pytest.approx(
                dict(zip(["ham", "spam"], row, strict=True)), abs=1e-6
            )


def test_the_folder_is_the_same_bytes_twice_and_no_code(saved, tmp_path):
    folder.write(fitted(features="words_and_characters", estimator="svm"), tmp_path)
    names = {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.json"}
    assert {file.name for file in saved.iterdir()} == names
    for name in names:
        assert (saved / name).read_bytes() == (tmp_path / name).read_bytes(), name
    assert "auto_map" not in json.loads((saved / "config.json").read_text())


def test_embeddings_are_the_axes_and_give_the_logits(both, saved):
    texts = labelled(20, 5).texts
    found = predict(texts, saved, Score())
    assert found.embeddings.shape == (20, 4 + 2) and checkpoint.embedding_width(saved) == 6
    reader = ngrams.Reader({t: i for i, t in enumerate(both.terms)}, 2, (3, 4))
    values = tfidf.weighted(tfidf.counted(texts, reader, len(both.terms)), both.idf, both.sizes)
    np.testing.assert_allclose(found.embeddings[:, :4], values @ both.axes.T, atol=1e-5)
    assert 0 < np.abs(found.embeddings[:, 4:]).max() <= 2**0.5 + 1e-6, "of unit axes, of two blocks of norm 1"


@pytest.mark.proof
@pytest.mark.parametrize("features", ["words", "words_and_characters"])
def test_answers_are_those_that_transformers_gives_with_the_folder(features, tmp_path):
    """Logits and embeddings; of texts and of pairs."""
    texts = [*labelled(20, 5).texts, *ODD]
    pairs = [*zip(texts, reversed(texts), strict=True)]
    for name, rows in (("texts", texts), ("pairs", pairs)):
        known = labelled(80, 1)
        train = Labelled([*zip(known.texts, reversed(known.texts), strict=True)], known.labels)
        made = fit(train if name == "pairs" else known, train if name == "pairs" else known, ["ham", "spam"],
                   Choices(features=features), 7, axes=3)  # fmt: skip
        where = tmp_path / name
        where.mkdir()
        folder.write(made, where)
        logits, embeddings = Scorer.load(where).answers(rows)
        tokenizer, model = checkpoint.load_trained(where)
        for row, own, place in zip(rows, logits, embeddings, strict=True):
            encoded = tokenizer(*([row] if isinstance(row, str) else row), return_tensors="pt")
            with torch.inference_mode(), head.watching_last_layer(model) as seen:
                others = model(**encoded).logits[0].numpy()
            np.testing.assert_allclose(own, others, atol=1e-5)
            np.testing.assert_allclose(place, seen.given[0].numpy(), atol=1e-5)


def test_a_row_is_the_same_whatever_is_beside_it(saved):
    scorer, texts = Scorer.load(saved), [*labelled(20, 5).texts, *ODD]
    together = scorer.answers(texts)
    for i, text in enumerate(texts):
        for alone, beside in zip(scorer.answers([text]), together, strict=True):
            np.testing.assert_allclose(alone[0], beside[i], rtol=0, atol=1e-12)


@pytest.mark.parametrize("damage", ["vocabulary", "shape", "not finite", "no weights"])
def test_a_folder_whose_files_do_not_belong_together_is_refused(saved, tmp_path, damage):
    made = Path(shutil.copytree(saved, tmp_path / "model"))
    weights = load_file(made / folder.WEIGHTS)
    if damage == "vocabulary":
        words = json.loads((made / ngrams.VOCABULARY).read_text())
        words.popitem()
        (made / ngrams.VOCABULARY).write_text(json.dumps(words))
    elif damage == "shape":
        save_file(weights | {"idf": weights["idf"][:-1]}, made / folder.WEIGHTS)
    elif damage == "not finite":
        save_file(weights | {"classifier.bias": np.array([np.nan, 0], np.float32)}, made / folder.WEIGHTS)
    else:
        (made / folder.WEIGHTS).unlink()
    with pytest.raises(UserError, match=r"belong together|not finite|has no model\.safetensors"):
        predict(["free money"], made, Score())


def test_attributions_add_up_to_the_margin(both, saved):
    explainer = LinearExplainer(saved)
    for text in ["Free money, free MEETING list!", "İ straße money prize win", "nothing known here", ""]:
        found = explainer.explain(text)
        assert "".join(piece for piece, _ in found.pieces) == text
        assert sum(value for _, value in found.pieces) == pytest.approx(found.margin - found.masked_margin, abs=1e-4)
        logits = both.logits([text])[0]
        assert found.margin == pytest.approx(abs(logits[1] - logits[0]), abs=1e-4) and found.complete


def test_an_attribution_is_exactly_weight_times_value(tmp_path):
    words = fitted(features="words", estimator="svm")
    folder.write(words, tmp_path)
    only = LinearExplainer(tmp_path).explain("money")
    values = tfidf.weighted(
        tfidf.counted(["money"], ngrams.Reader({t: i for i, t in enumerate(words.terms)}, 2, None), len(words.terms)),
        words.idf, words.sizes,
    ).toarray()[0]  # fmt: skip
    exact = values @ (words.weights[1] - words.weights[0])
    assert only.predicted == "spam" and only.pieces == [("money", pytest.approx(exact, abs=1e-4))]


@pytest.mark.proof
def test_few_features_rows_and_labels_are_kept_by_the_seed():
    rows = labelled(80, 1)
    small = fit(rows, labelled(40, 2), ["ham", "spam"], Choices(max_features=5, max_rows=30), 7)
    again = fit(rows, labelled(40, 2), ["ham", "spam"], Choices(max_features=5, max_rows=30), 7)
    assert max(small.sizes) <= 5 and small.terms == again.terms and np.array_equal(small.weights, again.weights)
    many = fit(rows, labelled(40, 2), ["ham", "spam"], Choices(max_characters=10), 7)
    assert {one["features"] for one in many.tried} == {"words"} and len(many.tried) == 5
    with pytest.raises(UserError, match="one label"):
        fit(rows.take(np.flatnonzero(rows.labels == 1)), rows, ["ham", "spam"], Choices(), 7)


def test_several_labels_and_texts_without_a_word():
    texts, labels = ["😀 😀!", "++ --", "§ §§", "😀 😀?", "-- ++", "§§ §"] * 6, np.array([0, 1, 2] * 12)
    found = fit(Labelled(texts, labels), Labelled([], labels[:0]), ["a", "b", "c"], Choices(), 7)
    assert found.sizes[0] == 0 and (found.logits(texts).argmax(1) == labels).all()


def test_the_chosen_one_has_the_highest_macro_f1_and_then_the_lowest_log_loss():
    found = fitted(axes=0)
    assert len(found.tried) == 10
    best = max(found.tried, key=lambda one: (one["macro_f1"], -one["log_loss"]))
    assert found.chosen == best


def test_keys_of_other_models_are_refused_and_those_of_gradients_named(capsys):
    from tasks.finetune.linear import refuse_unfit

    with pytest.raises(UserError, match=r"finetune\.lora is not for model\.family: linear"):
        refuse_unfit(Params(lora={"rank": 2}))
    refuse_unfit(Params(epochs=9, class_weights=True))
    assert "finetune.epochs" in capsys.readouterr().out
    assert checkpoint.resolve(Model(name=None, family="linear")).source == "family:linear"


@pytest.mark.proof
def test_finetune_writes_the_same_folder_twice_with_its_thresholds(tmp_path):
    import pyarrow as pa

    from tasks.core.files import write_json
    from tasks.core.tables import write_table

    for name, rows in (("train", labelled(80, 1)), ("validation", labelled(40, 2))):
        table = pa.table(
            {"id": [f"{name}{i}" for i in range(len(rows.texts))], "text": rows.texts, "label": rows.labels}
        )
        write_table(table, tmp_path / f"{name}.parquet")
    write_json({"labels": ["ham", "spam"]}, tmp_path / "labels.json")
    section = Params(decision={"abstain": 0.3})
    one, _ = finetune(tmp_path, {"axes": 4}, section, 7, tmp_path / "one")
    two, _ = finetune(tmp_path, {"axes": 4}, section, 7, tmp_path / "two")
    assert one == two and one["validation_accuracy"] > 0.9
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert json.loads((tmp_path / "one/config.json").read_text())["decision"] == one["decision"]
    assert predict(["free money win prize click offer"], tmp_path / "one", Score()).decisions == ["spam"]


def test_no_gradient_is_needed_to_load(saved):
    _, model = checkpoint.load_trained(saved)
    with torch.inference_mode():
        assert model(input_ids=torch.tensor([[model.config.vocab_size - 1]])).logits[0] == pytest.approx(
            model.classifier.bias.tolist(), abs=1e-6
        )


@pytest.mark.slow
def test_an_export_gives_the_same_labels(saved, tmp_path):
    pytest.importorskip("onnxruntime")
    from tasks.export import Options
    from tasks.export.classifier import export

    found = export(saved, mails(60, 3), tmp_path / "onnx", Options(repeat=2))["forms"]["onnx"]
    assert found["same_labels"] == 1 and found["largest_difference"] < 1e-5
    assert (tmp_path / "onnx/vocab.json").read_bytes() == (saved / "vocab.json").read_bytes()
