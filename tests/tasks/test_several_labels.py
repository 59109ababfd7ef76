"""Rows with none, one and two labels, from validation to the verdict on drift: a linear model and a transformer."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import UserError
from tasks.dataset.labels import MULTI
from tasks.modelling.targets.multi_label import MULTI_LABEL
from tests.support.topics import WORDS, splits, topics

LABELS = sorted(WORDS)


def test_labels_are_allowed_merged_and_counted_one_by_one():
    from tasks.validate import Params
    from tasks.validate.labels import merge_labels
    from tasks.validate.profile import observe
    from tasks.validate.rules import row_rules

    cells = [MULTI.cell(labels) for labels in (["Food", "sport"], ["money"], [], ["food", "Food"])]
    rows = pa.table({"label": pa.array([*cells, None], pa.string())})
    merged, counts = merge_labels(rows, {"Food": "food", "money": None}, MULTI)
    assert merged["label"].to_pylist() == ['["food", "sport"]', "[]", "[]", '["food"]', None]
    assert counts == {"Food": 2, "money": 1}
    raw = topics(5).append_column("problem", pa.nulls(5, pa.string()))
    section = Params(labels=["food"])
    observed = observe(raw, section, {}, MULTI)["labels_not_allowed"]
    for cell, others in zip(raw["label"].to_pylist(), observed, strict=True):
        assert ("" if others != others else others or "") == ", ".join(
            label for label in json.loads(cell) if label != "food"
        )
    assert "labels_not_allowed" in [rule.column for rule in row_rules(section, "reference", cells=MULTI)]


def test_copies_of_a_text_conflict_where_their_sets_differ():
    from tasks.validate.duplicates import find_copies

    cells = [MULTI.cell(labels) for labels in (["a", "b"], ["b", "a"], ["a"])]
    found = find_copies(["1", "2"], ["same", "Same"], cells[:2])
    assert found["conflicts_with"].isna().all() and found["copy_of"].isna().tolist() == [True, False]
    assert find_copies(["1", "2"], ["same", "Same"], cells[1:])["conflicts_with"].tolist() == ["2", "1"]


def test_stratified_splits_keep_the_share_of_each_label_and_of_none():
    from tasks.split import Params
    from tasks.split.__main__ import split

    tables, figures = split(topics(400), Params(stratify=True, similarity=None), 7, MULTI)
    whole = MULTI.count(topics(400)["label"].to_pylist())
    assert sum(sum(figures["labels"][name].values()) for name in figures["labels"]) == whole.total()
    for label, rows in whole.items():
        assert figures["labels"]["test"][label] == pytest.approx(0.2 * rows, abs=5)
    bare = sum(cell == "[]" for cell in tables["test"]["label"].to_pylist())
    assert bare == pytest.approx(0.2 * topics(400)["label"].to_pylist().count("[]"), abs=4)


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """The folder of a linear model, and its metrics."""
    from tasks.finetune import Params
    from tasks.finetune.linear import train
    from tasks.tokenize import as_texts

    folder = tmp_path_factory.mktemp("linear")
    as_texts(splits(), "text", folder / "tokens", MULTI)
    settings = {"estimator": "logistic_regression", "features": "words"}
    metrics, _ = train(folder / "tokens", settings, Params(), 7, folder / "classifier", MULTI_LABEL)
    return folder / "classifier", metrics


@pytest.fixture(scope="module")
def transformer(tiny_checkpoint, tmp_path_factory):
    """The folder of a tiny transformer, and its metrics."""
    from tasks.finetune import Params
    from tasks.finetune.transformer import finetune, write_classifier
    from tasks.modelling.checkpoints.checkpoint import Checkpoint
    from tasks.tokenize import Params as Tokenize
    from tasks.tokenize import prepared, tokenize
    from tests.support.models import QUICK

    folder = tmp_path_factory.mktemp("transformer")
    source = Checkpoint(str(tiny_checkpoint))
    tokenize(splits(), prepared(source, Tokenize(max_length=32)), folder / "tokens", MULTI)
    assert json.loads((folder / "tokens/labels.json").read_text()) == {"labels": LABELS, "task": "multi_label"}
    numbers = pq.read_table(folder / "tokens/train.parquet")["label"]
    assert [[LABELS[i] for i in row] for row in numbers.to_pylist()] == [
        json.loads(cell) for cell in splits()["train"]["label"].to_pylist()
    ]
    model, done = finetune(folder / "tokens", source, Params(epochs=2, **QUICK), 7, target=MULTI_LABEL)
    write_classifier(model, folder / "tokens/tokenizer", folder / "classifier")
    return folder / "classifier", done.metrics


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_a_model_answers_as_transformers_pipeline_does_and_gives_the_labels_above_its_thresholds(kind, request):
    from transformers import pipeline

    import tasks.modelling.checkpoints.families.linear  # noqa: F401  registers it
    from tasks.score import Params
    from tasks.score.predict import predict

    folder, metrics = request.getfixturevalue(kind)
    test = splits()["test"]
    found = predict(test["text"].to_pylist(), folder, Params())
    classify = pipeline("text-classification", str(folder), truncation=True, top_k=None)
    for row, said in zip(found.probabilities, classify(test["text"].to_pylist()), strict=True):
        assert {one["label"]: one["score"] for one in said} == pytest.approx(
            dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-5
        )
    cuts = metrics["decision"]["thresholds"]
    assert json.loads((folder / "config.json").read_text())["decision"] == metrics["decision"]
    for row, cell in zip(found.probabilities, found.table(test["id"])["prediction"].to_pylist(), strict=True):
        assert json.loads(cell) == [label for label, share in zip(LABELS, row, strict=True) if share >= cuts[label]]
    assert set(metrics["calibration"]) == set(LABELS) and metrics["temperature"] is None


def test_a_linear_model_learns_the_topics(linear):
    from tasks.score import Params
    from tasks.score.predict import predict

    test = splits()["test"]
    said = predict(test["text"].to_pylist(), linear[0], Params()).answers
    right = MULTI.holds(said, LABELS) == MULTI.holds(test["label"].to_pylist(), LABELS)
    assert right.mean() > 0.9
    assert "[]" in said


@pytest.mark.proof
def test_the_baseline_is_the_linear_model_of_the_same_choices(linear, tmp_path, monkeypatch):
    from tasks.baseline import Params
    from tasks.baseline.__main__ import fit_baseline
    from tasks.score import Params as Score
    from tasks.score.predict import predict

    monkeypatch.chdir(tmp_path)
    rows = splits()
    section = Params(estimator="logistic_regression", features="words")
    fit_baseline(rows["train"], rows["validation"], section, 7, MULTI)
    texts = rows["test"]["text"].to_pylist()
    own, others = (predict(texts, folder, Score()) for folder in (linear[0], tmp_path / "models/baseline"))
    assert own.answers == others.answers
    assert own.probabilities == pytest.approx(others.probabilities, abs=1e-6)


def scored(count, seed, predicted):
    table = topics(count, seed)
    return table.append_column("prediction", pa.array(predicted)).append_column("confidence", pa.array([0.7] * count))


def test_drift_compares_the_shares_of_labels_and_takes_a_set_as_right_or_wrong():
    from tasks.drift import SmallestEffects
    from tasks.drift.beside_baseline import beside_baseline
    from tasks.drift.quality import quality
    from tasks.drift.rows import rows_from_table
    from tasks.drift.signals import populations

    truth = topics(60, 3)["label"].to_pylist()
    reference = rows_from_table(scored(60, 3, truth), None, None, "a", cells=MULTI)
    shifted = [MULTI.cell([*MULTI.labels(cell), "food"]) for cell in truth]
    current = rows_from_table(scored(60, 3, shifted), None, None, "b", cells=MULTI)
    signals = {one.name: one for each in populations(reference, current, SmallestEffects(), 7) for one in each.signals}
    (held,) = signals["predictions"].indicators
    names = [held.name(i) for i in range(held.values.shape[1])]
    assert names == [*(f"prediction holds {label}" for label in LABELS), "no prediction"]
    shares = np.asarray(held.values[60:].mean(axis=0)).ravel()
    assert shares[0] == pytest.approx(1) and shares[-1] == 0
    found = beside_baseline(current, truth, 7)
    assert found["baseline"] == {"accuracy": 1, "macro_f1": 1}
    assert found["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(truth, shifted, strict=True)]), abs=1e-6)
    assert quality(reference, current, None)["unseen_labels"] == {}
    with pytest.raises(UserError, match="no JSON list"):
        rows_from_table(scored(60, 3, ["food"] * 60), None, None, "c", cells=MULTI)


def test_the_gate_compares_sets_of_labels_by_the_macro_f1_and_log_loss_of_scikit_learn():
    from sklearn.metrics import f1_score, log_loss

    from tasks.gate import Params
    from tasks.gate.tables import pair
    from tasks.gate.verdict import gate_verdict

    draw = np.random.default_rng(4)
    there = draw.random((400, 3)) < [0.5, 0.3, 0.1]
    said = [there ^ (draw.random((400, 3)) < noise) for noise in (0.3, 0.02)]
    chance = [np.where(each, 0.8, 0.1) for each in said]

    def table(holds, chances):
        cells = [[MULTI.cell(np.array(LABELS)[row]) for row in each] for each in (there, holds)]
        columns = dict(zip((f"probability_{name}" for name in LABELS), chances.T.tolist(), strict=True))
        return {"id": [f"{i:03}" for i in range(400)], "label": cells[0], "prediction": cells[1], **columns}

    champion, challenger = (table(*each) for each in zip(said, chance, strict=True))
    section = Params(max_log_loss=0.5)
    found = gate_verdict(pair(champion, challenger, None, []), section, 7)
    assert found["promote"] and found["differing"] == (said[0] != said[1]).any(axis=1).sum()
    for name, holds, chances in zip(("champion", "challenger"), said, chance, strict=True):
        assert found[name]["macro_f1"] == pytest.approx(f1_score(there, holds, average="macro"), abs=1e-6)
        assert found[name]["accuracy"] == pytest.approx((there == holds).all(axis=1).mean(), abs=1e-6)
        expected = np.mean([log_loss(there[:, k], chances[:, k]) for k in range(3)])
        assert found["calibration"][name]["log_loss"] == pytest.approx(expected, abs=1e-6)
    naive = np.array([f1_score(there[p], said[1][p], average="macro") - f1_score(there[p], said[0][p], average="macro")
                      for p in draw.integers(0, 400, (400, 400))])  # fmt: skip
    assert found["difference"]["interval"] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.02)
    back = gate_verdict(pair(challenger, champion, None, []), section, 7)
    assert back["outcome"] == "do not promote" and back["difference"]["macro_f1"] == -found["difference"]["macro_f1"]
    with pytest.raises(UserError, match="Only the challenger answers with lists of labels"):
        pair(champion | {"prediction": ["food"] * 400}, challenger, None, [])


@pytest.mark.parametrize(
    "value", ["[]", '["a", "b"]', '["b", "a"]', '["a", "a"]', '["a",1]', "[1]", "{}", "a", '"a"', ""]
)
def test_a_cell_is_what_is_written_for_a_set(value):
    assert MULTI.is_cell(value) == (value in ("[]", '["a", "b"]'))


def test_the_report_counts_labels_and_names_no_majority():
    from tasks.drift.page import shares
    from tasks.drift.rows import rows_from_table
    from tasks.report import answers, standing

    figures = {"confusion": None, "accuracy": 0.5, "intervals": {"accuracy": [0.4, 0.6]}}
    assert standing.majority(figures) is standing.collapse(figures) is None
    assert not standing.no_better_than_majority(figures) and list(standing.sentences(figures)) == []
    rows = topics(80, 4)
    there = MULTI.holds(rows["label"].to_pylist(), LABELS)
    for k, label in enumerate(LABELS):
        rows = rows.append_column(f"probability_{label}", pa.array(there[:, k] * 0.5 + 0.25))
    found = answers.curves(rows, dict.fromkeys(LABELS, 0.5), MULTI)
    assert {one.label: one.share for one in found} == dict(zip(LABELS, there.mean(axis=0).tolist(), strict=True))
    side = rows_from_table(rows.select(["label"]), None, None, "here", cells=MULTI)
    (of_labels,) = shares(side, side)
    assert {its["name"]: its["current"] for its in of_labels["lines"]} == {one.label: one.share for one in found}


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_a_label_is_explained_against_its_absence(kind, request):
    import torch

    from tasks.explain import Params
    from tasks.explain.attribution import Explainer
    from tasks.explain.weights import LinearExplainer
    from tasks.modelling.checkpoints import checkpoint

    folder, _ = request.getfixturevalue(kind)
    explainer = LinearExplainer(folder) if kind == "linear" else Explainer(folder, Params())
    tokenizer, model = checkpoint.load_trained(folder)
    text = splits()["test"]["text"][0].as_py()
    for k, label in enumerate(LABELS):
        found = explainer.explain(text, label=label)
        with torch.inference_mode():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        assert (found.predicted, found.other) == (label, None)
        assert found.margin == pytest.approx(float(logits[k]), abs=1e-4)
        added = sum(value for _, value in found.pieces)
        assert added == pytest.approx(found.margin - found.masked_margin, rel=0.06, abs=1e-3)
    assert explainer.explain(text).predicted == LABELS[int(logits.argmax())]


@pytest.mark.proof
def test_planted_mislabels_are_suspected_and_the_true_set_is_suggested():
    from tasks.explain.suspects import suspects_of_several

    rows = topics(400, 9)
    texts, truth = rows["text"].to_pylist(), rows["label"].to_pylist()
    planted = {i: MULTI.cell({*MULTI.labels(truth[i])} ^ {LABELS[i % 3]}) for i in range(5, 400, 33)}
    cells = [planted.get(i, cell) for i, cell in enumerate(truth)]
    found = suspects_of_several(texts, cells, 30, 5, 7)
    hit = [one for one in found if one.row in planted]
    assert len(hit) >= 0.75 * len(planted) and all(one.label == cells[one.row] for one in found)
    assert sum(one.suggested == truth[one.row] for one in hit) >= 0.75 * len(hit)
    assert [one.quality for one in found] == sorted(one.quality for one in found)
    assert suspects_of_several(texts, cells, 0, 5, 7) == []


def test_the_stage_explains_mistakes_and_lists_suspects(linear, tmp_path, monkeypatch):
    from tasks.core import paths
    from tasks.core.tables import write_table
    from tasks.dataset import layout
    from tasks.explain import EXPLAINED, SUSPECTS, Params
    from tasks.explain.__main__ import explain_all, explain_text
    from tasks.score import Params as Score
    from tasks.score.predict import predict

    monkeypatch.chdir(tmp_path)
    paths.CLASSIFIER.parent.mkdir(parents=True)
    paths.CLASSIFIER.symlink_to(linear[0])
    for name, table in splits(held_out=120).items():
        of = pa.array(["tickets.csv"] * len(table)), pa.array(range(len(table)))
        write_table(table.append_column("source_file", of[0]).append_column("source_row", of[1]), layout.split(name))
        if name == "test":
            said = predict(table["text"].to_pylist(), paths.CLASSIFIER, Score()).table(table["id"])
            write_table(said, layout.window("reference").scored)
    found = explain_all(Params(mistakes=3, folds=3), 7, MULTI)
    assert found["mistakes"] == 3 == found["complete"] and found["suspects"] > 0
    page = EXPLAINED.read_text()
    assert "gives wrongly, or misses" in page and "against it" in page and "labelled [" in page
    assert SUSPECTS.read_text().count("[") >= 2 * found["suspects"]
    explain_text("the soup and the bread", Params())


@pytest.mark.long
@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_a_graph_answers_as_the_model_does(kind, request, tmp_path):
    from sklearn.metrics import f1_score

    from tasks.export import Options
    from tasks.export.classifier import export
    from tasks.score import Params as Score
    from tasks.score.predict import predict

    pytest.importorskip("onnxscript")
    folder, test = request.getfixturevalue(kind)[0], splits()["test"]
    found = export(folder, test, tmp_path / "onnx", Options(repeat=2, threads=1))["forms"]
    said = predict(test["text"].to_pylist(), folder, Score()).answers
    truth = test["label"].to_pylist()
    for form in ("torch", "onnx"):
        assert found[form]["same_labels"] >= 0.995 and found[form]["largest_difference"] < 1e-4
        assert found[form]["accuracy"] == pytest.approx(
            np.mean([a == b for a, b in zip(truth, said, strict=True)]), abs=0.02
        )
    expected = f1_score(*(MULTI.holds(cells, LABELS) for cells in (truth, said)), average="macro")
    assert found["torch"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
