"""What is scored is what anyone gets who loads the model, in the order it was given."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.baseline import Params as Baseline
from tasks.baseline.__main__ import fit_baseline
from tasks.core import paths
from tasks.core.cli import application
from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.core.tables import read_table, write_table
from tasks.dataset import layout
from tasks.dataset.schema import scored
from tasks.modelling.checkpoints import checkpoint
from tasks.score import Params
from tasks.score import __main__ as predicting
from tasks.score.__main__ import score_window
from tasks.score.command import score
from tasks.score.predict import predict
from tasks.tables.any_table import FORMATS, read_any_table, write_any_table
from tests.support.mails import WORDS, mails

LONG = " ".join(WORDS * (5000 // len(WORDS) + 1))
ODD = ["", " ", LONG, "free money", "漢字 🎉", "meeting\n\nmonday\t", "FREE MONEY"]


@pytest.fixture(scope="module")
def pipeline(classifier):
    from transformers import pipeline

    return pipeline("text-classification", str(classifier), truncation=True)


@pytest.fixture
def repository(classifier, tmp_path, monkeypatch):
    """A working folder with what ``score`` reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("model: {name: tiny}\nscore: {threads: 1}\n")
    (tmp_path / "behaviour.yaml").write_text("tests: [{name: loud, change: upper_case, expect: same, rows: 3}]")
    paths.CLASSIFIER.parent.mkdir()
    paths.CLASSIFIER.symlink_to(classifier)
    fit_baseline(mails(40, 5), mails(20, 6), Baseline(features="words"), 7)
    for seed, name in enumerate(("validation", "test")):
        rows = mails(6, seed)
        ids = pa.array([f"{name}{i}" for i in range(len(rows))])
        write_table(rows.set_column(0, "id", ids), layout.split(name))
    write_table(mails(10, 9), layout.window("current").validated)
    return tmp_path


SECTION = Params(threads=1)


@pytest.mark.proof
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=60)), min_size=1, max_size=6))
def test_the_pipeline_gives_the_same_labels_and_scores(classifier, pipeline, texts):
    made = predict(texts, classifier, SECTION)
    table = made.table(pa.array([str(i) for i in range(len(texts))]))
    for row, said in zip(table.to_pylist(), pipeline(texts), strict=True):
        ranked = np.sort(made.probabilities[int(row["id"])])
        assert abs(row["confidence"] - said["score"]) < 1e-5
        assert row["prediction"] == said["label"] or ranked[-1] - ranked[-2] < 1e-6


@pytest.fixture(scope="module")
def alone(classifier):
    """What each odd text is given by itself."""
    return [predict([text], classifier, SECTION) for text in ODD]


@pytest.mark.proof
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(len(ODD))), size=st.integers(1, 4))
def test_a_row_is_scored_alike_whatever_stands_beside_it(classifier, alone, order, size):
    together = predict([ODD[i] for i in order], classifier, Params(threads=1, batch_size=size))
    for place, i in enumerate(order):
        assert np.allclose(together.probabilities[place], alone[i].probabilities[0], atol=1e-5)
        assert np.allclose(together.embeddings[place], alone[i].embeddings[0], atol=1e-5)


@pytest.mark.proof
def test_the_embeddings_are_what_the_last_layer_is_given(classifier):
    made = predict(ODD, classifier, SECTION)
    _, model = checkpoint.load_trained(classifier)
    last = checkpoint.last_layer(model)
    logits = made.embeddings @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(shares, made.probabilities, atol=1e-6)
    assert made.probabilities.sum(axis=1) == pytest.approx(1)
    assert made.truncated == 1


def test_no_rows_need_no_weights(classifier, monkeypatch):
    monkeypatch.setattr(checkpoint, "load_trained", lambda folder: pytest.fail("the weights were read"))
    made = predict([], classifier, SECTION)
    assert made.embeddings.shape == (0, 16)
    table = made.table(pa.array([], pa.string()))
    assert (len(table), table.schema) == (0, scored(["ham", "spam"]))


def outputs(window):
    found = layout.window(window)
    files = [found.scored, found.baseline, found.embeddings, paths.metrics("score", window)]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.mark.proof
def test_a_window_is_scored_row_for_row_and_the_same_bytes_twice(repository):
    score_window("reference", SECTION)
    table = read_table(layout.window("reference").scored)
    expected = [*(f"validation{i}" for i in range(6)), *(f"test{i}" for i in range(6))]
    assert table["id"].to_pylist() == expected
    assert table.schema == scored(["ham", "spam"])
    assert table["decision"] == table["prediction"]
    embeddings = np.load(layout.window("reference").embeddings)
    assert (embeddings.dtype, embeddings.shape) == (np.float32, (12, 16))
    beside = read_table(layout.window("reference").baseline)
    assert (beside["id"].to_pylist(), beside.schema) == (expected, table.schema)
    tried = read_table(layout.window("reference").behaviour)
    assert tried["part"].to_pylist() == ["before", "after"] * 3
    figures = read_json(paths.metrics("score", "reference"))
    assert sum(figures["predictions"].values()) == figures["rows"] == 12
    first = outputs("reference")
    score_window("reference", SECTION)
    assert outputs("reference") == first


@pytest.mark.proof
def test_scores_embeddings_and_behaviour_take_one_pass_of_each_text(repository, monkeypatch):
    ran, load = [], checkpoint.load_trained

    def counted(folder):
        processor, model = load(folder)
        if folder == paths.CLASSIFIER:
            count = lambda _, __, given: ran.append(len(given["input_ids"]))  # noqa: E731
            model.register_forward_pre_hook(count, with_kwargs=True)
        return processor, model

    monkeypatch.setattr(checkpoint, "load_trained", counted)
    score_window("reference", SECTION)
    held_out = read_table(layout.window("reference").scored)
    changed = set(read_table(layout.window("reference").behaviour)["text"].to_pylist())
    changed -= set(read_table(layout.split("test"))["text"].to_pylist())
    assert changed and sum(ran) == len(held_out) + len(changed)


@pytest.mark.proof
def test_a_text_below_its_threshold_is_left_to_a_person(repository, classifier, monkeypatch, capsys):
    never = {"costs": {"ham": 1.0, "spam": 1.0}, "thresholds": {"ham": 0.0, "spam": None}}
    paths.CLASSIFIER.unlink()
    shutil.copytree(classifier, paths.CLASSIFIER)
    write_json(read_json(paths.CLASSIFIER / "config.json") | {"decision": never}, paths.CLASSIFIER / "config.json")
    score_window("current", SECTION)
    table = read_table(layout.window("current").scored)
    pairs = zip(table["prediction"].to_pylist(), table["decision"].to_pylist(), strict=True)
    assert set(pairs) == {("ham", "ham"), ("spam", None)}
    assert read_json(paths.metrics("score", "current"))["abstained"] == table["decision"].null_count > 0
    command("--text", "free money win prize")
    assert "decision: abstain" in capsys.readouterr().out


def test_an_empty_window_is_scored_as_empty(repository):
    write_table(mails(0), layout.window("current").validated)
    score_window("current", SECTION)
    assert len(read_table(layout.window("current").scored)) == 0
    assert len(read_table(layout.window("current").baseline)) == 0
    assert np.load(layout.window("current").embeddings).shape == (0, 16)
    assert read_json(paths.metrics("score", "current")) == {
        "rows": 0, "truncated_share": None, "predictions": {"ham": 0, "spam": 0}, "abstained": 0,
        "mean_confidence": None,
    }  # fmt: skip


def command(*arguments):
    typer.main.get_command(application(score)).main(arguments, "score", standalone_mode=False)


def test_one_text_is_answered_with_its_label_and_every_probability(repository, capsys):
    command("--text", "free money")
    label, *shares = capsys.readouterr().out.splitlines()
    found = {name: float(share) for name, share in (line.split() for line in shares)}
    assert label == max(found, key=found.get)
    assert set(found) == {"ham", "spam"}
    assert sum(found.values()) == pytest.approx(1, abs=2e-4)


ROWS = [
    {"key": "007", "mail": 'free, "money"\nwin', "note": "ü"},
    {"key": "1e3", "mail": "", "note": "NA"},
    {"key": "x", "mail": LONG, "note": ""},
]


@pytest.mark.proof
@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_a_table_comes_back_with_its_own_columns_and_ours(repository, source, target):
    given_file, made_file = repository / f"in{source}", repository / f"out{target}"
    write_any_table(pa.Table.from_pylist(ROWS), given_file)
    before = {file for file in repository.rglob("*") if file.is_file()}
    command("--input", str(given_file), "--output", str(made_file), "--column", "mail")
    made = read_any_table(made_file).to_pylist()
    assert [{name: row[name] for name in ROWS[0]} for row in made] == ROWS
    expected = predict([row["mail"] for row in ROWS], paths.CLASSIFIER, SECTION)
    assert [float(row["confidence"]) for row in made] == pytest.approx(expected.probabilities.max(axis=1), abs=1e-12)
    assert list(made[0]) == [*ROWS[0], "prediction", "confidence", "probability_ham", "probability_spam", "decision"]
    assert {file for file in repository.rglob("*") if file.is_file()} == {*before, made_file}, "the pipeline's outputs"


def test_lines_keep_their_types(repository):
    row = {"text": "free", "n": 3, "share": 0.5, "tags": ["a", "b"], "none": None, "when": "2002-09-01T00:00:00"}
    (repository / "in.jsonl").write_text(json.dumps(row) + "\n\n")
    command("--input", "in.jsonl", "--output", "out.jsonl")
    made = json.loads((repository / "out.jsonl").read_text())
    assert {name: made[name] for name in row} == row


@pytest.mark.proof
@pytest.mark.parametrize(
    ("name", "content", "arguments", "words"),
    [
        ("in.csv", "body,label\nx,y\n", [], ["no column 'text'", "--column", "body, label"]),
        ("in.csv", "text,prediction\nx,y\n", [], ["prediction", "rename or drop"]),
        ("in.csv", "text,label\nx\n", [], ["line 2: the record has 1 values, the header 2"]),
        ("in.csv", "", [], ["in.csv, line 1: the first line must name the columns"]),
        ("in.jsonl", '{"text": null}\n', [], ["row 1 has None"]),
        ("in.jsonl", "{text}\n", [], ["in.jsonl, line 1: not valid JSON"]),
        ("in.parquet", "no parquet", [], ["in.parquet cannot be read as parquet"]),
        ("in.csv", "text\nx\n", ["--output", "out.doc"], ["out.doc: unknown format"]),
        ("in.xlsx", "", [], ["unknown format", ".parquet"]),
        ("in.csv", None, [], ["in.csv does not exist"]),
    ],
)
def test_what_cannot_be_scored_is_refused_in_words(repository, monkeypatch, name, content, arguments, words):
    if content is not None:
        (repository / name).write_text(content)
    monkeypatch.setattr(predicting, "predict", lambda *_: pytest.fail("it was scored first"))
    with pytest.raises(UserError) as refusal:
        command("--input", name, "--output", "out.csv", *arguments)
    assert all(word in str(refusal.value) for word in words), refusal.value
    assert not list(repository.glob("*out.csv*"))


def test_without_a_model_the_next_step_is_named(repository):
    paths.CLASSIFIER.unlink()
    with pytest.raises(UserError, match="run `driftline run`"):
        command("--text", "free money")


def test_a_row_without_a_text_is_named(repository):
    rows = pa.table({"id": ["a", "b"], "text": pa.array(["x", None]), "label": ["ham", "ham"]})
    pq.write_table(rows, layout.window("current").validated)
    with pytest.raises(UserError, match="current: the row b has no text"):
        score_window("current", SECTION)


@pytest.mark.parametrize("stage", ["finetune", "baseline"])
def test_scores_that_are_no_numbers_are_refused(classifier, tmp_path, monkeypatch, stage):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(classifier, tmp_path / "classifier")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"].fill_(3e38)  # finite, and their sums are not
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr(paths, "CLASSIFIER" if stage == "finetune" else "BASELINE", folder)
    with pytest.raises(UserError, match=rf"model\.safetensors gives 2 scores .* no numbers: run `dvc repro {stage}`"):
        predict(["free money", "patch"], folder, SECTION)
