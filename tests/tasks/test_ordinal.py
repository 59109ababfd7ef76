"""Rows whose labels have an order, from validation to the report: a linear model and a transformer."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.core.tables import read_table
from tasks.dataset.labels import SINGLE
from tasks.dataset.layout import WindowPaths
from tasks.modelling.targets.ordinal import ORDINAL
from tests.support.raw_rows import raw_table
from tests.support.stars import BY_NAME, BY_NUMBER, NAMES, splits


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Validate rows of these labels: the labels that pass, and the reasons by id."""
    from tasks.validate import Params
    from tasks.validate.__main__ import validate

    monkeypatch.chdir(tmp_path)

    def judge(labels, cells, window="reference", /, **keys):
        where = WindowPaths(tmp_path / window)
        raw = raw_table([f"text number {i}" for i in range(len(labels))], labels)
        validate(raw, Params(max_quarantined=1.0, **keys), window, where, cells=cells)
        held = read_table(where.quarantine)
        reasons = dict(zip(held["id"].to_pylist(), held["reasons"].to_pylist(), strict=True))
        return read_table(where.validated)["label"].to_pylist(), reasons

    return judge


@pytest.mark.slow
@pytest.mark.parametrize("window", ["reference", "current"])
def test_a_label_that_has_no_place_in_the_order_is_held(judged, window):
    passed, reasons = judged(["poor", "good", "splendid", "fair"], BY_NAME, window)
    assert passed == ["poor", "good", "fair"] and reasons == {"r2": ["label_not_allowed"]}
    passed, reasons = judged(["poor", "good", "fair"], BY_NAME, window, labels=["poor", "good"])
    assert passed == ["poor", "good"] and reasons == {"r2": ["label_not_allowed"]}, "some of the order are allowed"


@pytest.mark.slow
def test_labels_without_an_order_stop_the_run_and_leave_no_validated_rows(judged, tmp_path):
    with pytest.raises(UserError, match="as 'good' is no number: list all of them in label_order"):
        judged(["1", "2", "good"], BY_NUMBER)
    assert not WindowPaths(tmp_path / "reference").validated.exists()
    assert judged(["1", "10", "good"], BY_NUMBER, labels=["1", "2", "10"]) == (
        ["1", "10"],
        {"r2": ["label_not_allowed"]},
    )
    assert judged(["1", "2", "good"], BY_NUMBER, merge_labels={"good": "2"})[0] == ["1", "2", "2"]
    assert judged(["1", "good"], BY_NUMBER, "current")[0] == ["1", "good"], "as unseen labels are elsewhere"
    assert judged(["1", "good"], SINGLE)[0] == ["1", "good"]


def test_an_allowed_label_without_a_place_is_refused():
    from tasks.validate import Params
    from tasks.validate.labels import with_order

    with pytest.raises(UserError, match=r"validate\.labels names 'great', which label_order lacks"):
        with_order(Params(labels=["poor", "great"]), BY_NAME)
    assert with_order(Params(), BY_NAME).labels == list(NAMES) and with_order(Params(labels=[]), BY_NAME).labels == []
    assert with_order(Params(labels=["poor", "great"]), BY_NUMBER).labels == ["poor", "great"]


@pytest.mark.parametrize(("names", "cells"), [(NAMES, BY_NAME), (("9", "10", "11"), BY_NUMBER)])
def test_the_numbers_of_the_labels_follow_the_order(tmp_path, names, cells):
    from tasks.tokenize import as_texts

    rows = splits(30, 12, names)
    as_texts(rows, "text", tmp_path / "tokens", cells)
    assert json.loads((tmp_path / "tokens/labels.json").read_text()) == {"labels": list(names)}
    numbers = pq.read_table(tmp_path / "tokens/train.parquet")["label"].to_pylist()
    assert [names[i] for i in numbers] == rows["train"]["label"].to_pylist() and sorted(names) != list(names)
    as_texts(rows, "text", tmp_path / "without", SINGLE)
    assert json.loads((tmp_path / "without/labels.json").read_text()) == {"labels": sorted(names)}


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """The folder of a linear model."""
    from tasks.finetune import Params
    from tasks.finetune.linear import train
    from tasks.tokenize import as_texts

    folder = tmp_path_factory.mktemp("linear")
    as_texts(splits(), "text", folder / "tokens", BY_NAME)
    settings = {"estimator": "logistic_regression", "features": "words"}
    train(folder / "tokens", settings, Params(), 7, folder / "classifier", ORDINAL)
    return folder / "classifier"


@pytest.fixture(scope="module")
def transformer(tiny_checkpoint, tmp_path_factory):
    """The folder of a tiny transformer; its tokenized rows are beside it."""
    from tasks.finetune import Params
    from tasks.finetune.transformer import finetune, write_classifier
    from tasks.modelling.checkpoints.checkpoint import Checkpoint
    from tasks.tokenize import Params as Tokenize
    from tasks.tokenize import prepared, tokenize
    from tests.support.models import QUICK

    folder = tmp_path_factory.mktemp("transformer")
    source = Checkpoint(str(tiny_checkpoint))
    tokenize(splits(), prepared(source, Tokenize(max_length=32)), folder / "tokens", BY_NAME)
    model, _ = finetune(folder / "tokens", source, Params(epochs=8, **QUICK), 7, target=ORDINAL)
    write_classifier(model, folder / "tokens/tokenizer", folder / "classifier")
    return folder / "classifier"


CLASSIFY = """
import json, sys
from transformers import pipeline
folder, texts = json.load(sys.stdin)
said = pipeline("text-classification", folder, truncation=True)(texts)
assert not {name for name in sys.modules if name.partition(".")[0] in ("tasks", "flows")}
json.dump(said, sys.stdout)
"""


def by_transformers_alone(folder, texts, empty):
    """What its pipeline says in a process that imports nothing of this repository."""
    given = json.dumps([str(folder), texts])
    done = subprocess.run([sys.executable, "-c", CLASSIFY], input=given, cwd=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_transformers(folder, texts):
    """The same of a linear model, whose family has to be registered."""
    from transformers import pipeline

    import tasks.modelling.checkpoints.families.linear  # noqa: F401  registers it

    return pipeline("text-classification", str(folder), truncation=True)(texts)


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_score_says_the_label_and_the_score_of_transformers_pipeline(kind, request, tmp_path):
    from tasks.score import Params
    from tasks.score.predict import predict

    folder, test = request.getfixturevalue(kind), splits()["test"]
    texts = test["text"].to_pylist()
    found = predict(texts, folder, Params())
    assert found.labels == list(NAMES)
    said = by_transformers(folder, texts) if kind == "linear" else by_transformers_alone(folder, texts, tmp_path)
    table = found.table(test["id"])
    assert table["prediction"].to_pylist() == [one["label"] for one in said]
    assert table["confidence"].to_pylist() == pytest.approx([one["score"] for one in said], abs=1e-5)
    assert len({one["label"] for one in said}) > 1
    assert np.allclose(found.probabilities.sum(axis=1), 1)


@pytest.mark.proof
def test_the_baseline_is_the_linear_model_of_the_same_choices(linear, tmp_path, monkeypatch):
    from tasks.baseline import Params
    from tasks.baseline.__main__ import fit_baseline
    from tasks.score import Params as Score
    from tasks.score.predict import predict

    monkeypatch.chdir(tmp_path)
    rows = splits()
    section = Params(estimator="logistic_regression", features="words")
    fit_baseline(rows["train"], rows["validation"], section, 7, BY_NAME)
    texts = rows["test"]["text"].to_pylist()
    own, others = (predict(texts, folder, Score()) for folder in (linear, tmp_path / "models/baseline"))
    assert own.labels == others.labels == list(NAMES) and own.answers == others.answers
    assert own.probabilities == pytest.approx(others.probabilities, abs=1e-6)
    right = np.mean([a == b for a, b in zip(own.answers, rows["test"]["label"].to_pylist(), strict=True)])
    assert right > 0.8


@pytest.mark.proof
def test_a_warm_start_takes_the_last_layer_of_a_model_of_single_labels_in_the_same_order(transformer):
    from tasks.core.files import sha256_of
    from tasks.finetune import Params, WarmStart, warm_start
    from tasks.modelling.targets.multi_label import MULTI_LABEL

    start = WarmStart(folder=str(transformer), sha256=sha256_of(transformer / "model.safetensors"))
    tokenizer = transformer.parent / "tokens/tokenizer"

    def taken(labels, target):
        return warm_start.load(start, labels, Params(), tokenizer, target)[1]

    assert taken([*NAMES], ORDINAL)
    assert not taken(sorted(NAMES), ORDINAL) and not taken([*NAMES], MULTI_LABEL)


def figures(right):
    """What evaluate says of answers of which so many are right, and the rest a step off."""
    from tasks.evaluate import Params, Slices
    from tasks.evaluate.__main__ import evaluate

    rows = splits(60, 90)
    truth = rows["test"]["label"].to_pylist()

    def answers(share):
        said = [name if i % 10 < share else NAMES[1 if name != NAMES[1] else 2] for i, name in enumerate(truth)]
        columns = {f"probability_{name}": [0.8 if name == one else 0.1 for one in said] for name in NAMES}
        ids = rows["test"]["id"]
        return pa.table({"id": ids, "prediction": said, "confidence": [0.8] * 90, **columns, "decision": said})

    section = Params(resamples=100, slices=Slices(permutations=100))
    held_out = rows | {"validation": rows["validation"].slice(0, 0)}
    return evaluate(held_out, answers(right), answers(5), section, 7, cells=BY_NAME)


def test_the_first_screen_says_how_far_off_predictions_are():
    from tasks.report import verdict
    from tasks.report.render import measure_titles

    found = figures(8)
    said = verdict.on_model(found)
    low, high = found["intervals"]["quadratic_kappa"]
    assert said.tone == "good"
    assert f"Predictions are {found['mean_absolute_error']:.3f} (" in said.text
    assert "at most one step on 100.0" in said.text
    assert f"quadratic kappa is {found['quadratic_kappa']:.3f} ({low:.3f} to {high:.3f})." in said.text
    titles = measure_titles(found)
    assert titles["mean_absolute_error"] == "Mean absolute error, in steps" and "quadratic_kappa" in titles
    single = verdict.on_model({name: value for name, value in found.items() if name != "task"})
    assert "steps" not in single.text


def test_a_mean_absolute_error_that_is_larger_speaks_against_a_model():
    from tasks.report import standing

    better, worse = (standing.others(figures(right)) for right in (9, 2))
    assert any("mean absolute error" in one for one in better.better) and not better.worse
    assert any("mean absolute error" in one for one in worse.worse)
    assert any("quadratic kappa" in one for one in worse.worse) and not worse.better


def test_the_page_and_the_card_show_the_matrix_in_order(tmp_path, monkeypatch):
    from tasks.report import Params
    from tasks.report.render import render
    from tests.support.report_inputs import behaved_as, inputs

    found = inputs(evaluate=figures(8) | {"behaviour": [behaved_as("Typos", 19)]}, answers=None)
    page = render(found, Params())
    assert "Both begin with the lowest." in page and "mean absolute error and calibration error" in page
    heads = page[page.index('<table class="matrix">') :].split("</thead>")[0]
    assert [heads.index(f">{name}<") for name in NAMES] == sorted(heads.index(f">{name}<") for name in NAMES)
    assert "Both begin with the lowest." not in render(inputs(), Params())
