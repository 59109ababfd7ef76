"""The figures of the test rows: joined by id, equal to scikit-learn's, the same twice."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.evaluate import Params
from tasks.evaluate.__main__ import evaluate, summary
from tasks.evaluate.own_measures import TAKEN
from tasks.evaluate.probabilities import probability_measures

LABELS = ["ham", "spam"]


def mails(n, seed):
    random = np.random.default_rng(seed)
    label = random.choice(LABELS, n)
    words = {"ham": ["meeting", "notes", "attached", "agenda"], "spam": ["free", "winner", "money", "click"]}
    text = [" ".join(random.choice(words[its] + ["the", "of", "and"], 8)) for its in label]
    when = pa.array([None] * n, pa.timestamp("us", tz="UTC"))
    return pa.table({"id": [f"{seed}/{i}" for i in range(n)], "text": text, "label": label.tolist(), "timestamp": when})


def scores(rows, seed=0):
    """Scores of a fair model for the rows and a few more, shuffled."""
    random = np.random.default_rng(seed)
    spam = np.clip((np.array(rows["label"].to_pylist()) == "spam") * 0.6 + random.random(len(rows)) * 0.5 - 0.05, 0, 1)
    said = [LABELS[int(p > 0.5)] for p in spam]
    columns = {"prediction": said, "decision": said, "confidence": np.maximum(spam, 1 - spam)}
    table = pa.table({"id": rows["id"], **columns, "probability_ham": 1 - spam, "probability_spam": spam})
    other = table.slice(0, 3).set_column(0, "id", pa.array(["x", "y", "z"]))
    both = pa.concat_tables([other, table])
    return both.take(random.permutation(len(both)))


def baseline(rows):
    """Of one that is wrong about every twentieth row."""
    said = [
        LABELS[(label == "ham") ^ (i % 20 != 0)] if label in LABELS else "ham" for i, label in enumerate(truth_of(rows))
    ]
    shares = [0.9 if label == "spam" else 0.1 for label in said]
    columns = {"prediction": said, "decision": said, "confidence": [0.9] * len(said)}
    table = pa.table({"id": rows["id"], **columns, "probability_ham": 1 - np.array(shares), "probability_spam": shares})
    return pa.concat_tables([table.slice(0, 3).set_column(0, "id", pa.array(["x", "y", "z"])), table])


def truth_of(rows):
    return rows["label"].to_pylist()


def splits(test):
    return {"train": mails(300, 1), "validation": pa.table({"id": ["x", "y", "z"]}), "test": test}


@pytest.fixture(scope="module")
def figures():
    test = mails(150, 2)
    return test, scores(test), evaluate(splits(test), scores(test), baseline(test), Params(), 7)


def test_figures_equal_those_of_scikit_learn_on_rows_joined_by_id(figures):
    test, scored, found = figures
    place = {key: i for i, key in enumerate(scored["id"].to_pylist())}
    order = [place[key] for key in test["id"].to_pylist()]
    truth, said = test["label"].to_pylist(), [scored["prediction"][i].as_py() for i in order]
    assert found["rows"] == 150
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    spam = [scored["probability_spam"][i].as_py() for i in order]
    assert found["roc_auc"] == pytest.approx(roc_auc_score([its == "spam" for its in truth], spam))
    assert np.sum(found["confusion"]["counts"]) == 150
    assert found["classes"]["spam"]["support"] == truth.count("spam")


def test_every_interval_holds_its_figure(figures):
    _, _, found = figures
    for name in ("accuracy", "macro_f1", "difference"):
        low, high = found["intervals"][name]
        assert low <= found[name] <= high
    assert found["baseline"]["accuracy"] == pytest.approx(1 - 8 / 150), "every twentieth is wrong"
    assert found["difference"] == pytest.approx(found["macro_f1"] - found["baseline"]["macro_f1"])


def test_the_summary_holds_single_numbers_of_the_figures(figures):
    _, _, found = figures
    said = summary(found)
    assert all(isinstance(value, int | float) for value in said.values())
    assert (said["macro_f1"], said["baseline_macro_f1"]) == (found["macro_f1"], found["baseline"]["macro_f1"])
    assert [said["macro_f1_low"], said["macro_f1_high"]] == found["intervals"]["macro_f1"]


@pytest.mark.proof
def test_the_same_rows_give_the_same_bytes(figures, tmp_path):
    test, scored, found = figures
    write_json(found, tmp_path / "one.json")
    write_json(evaluate(splits(test), scored, baseline(test), Params(), 7), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text())["rows"] == 150


def test_scores_are_of_the_held_out_rows_and_of_no_others(figures):
    test, scored, _ = figures
    for other, words in (
        (scored.slice(0, 10), "143 held-out rows have no score"),
        (pa.concat_tables([scored, scored.slice(0, 4)]), "4 scores are of a row that has one already"),
        (pa.concat_tables([scored, scored.slice(0, 1).set_column(0, "id", pa.array(["w"]))]), "no held-out row, 'w'"),
    ):
        with pytest.raises(UserError, match=words):
            evaluate(splits(test), other, baseline(test), Params(), 7)


def test_scores_of_the_baseline_are_of_the_same_rows(figures):
    test, scored, _ = figures
    with pytest.raises(UserError, match="143 held-out rows have no score"):
        evaluate(splits(test), scored, baseline(test).slice(0, 10), Params(), 7)


@pytest.mark.proof
def test_a_label_that_train_lacks_counts_as_wrong_and_is_named(figures):
    test, scored, before = figures
    label = ["eggs", *test["label"].to_pylist()[1:]]
    changed = test.set_column(test.column_names.index("label"), "label", pa.array(label))
    found = evaluate(splits(changed), scored, baseline(changed), Params(), 7)
    assert found["labels_not_in_train"] == {"eggs": 1}
    assert before["labels_not_in_train"] == {}
    assert found["confusion"]["labels"] == ["ham", "spam", "eggs"]
    assert found["classes"]["eggs"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1, "train_rows": 0}
    place = scored["id"].to_pylist().index(test["id"][0].as_py())
    was_right = scored["prediction"][place].as_py() == test["label"][0].as_py()
    assert found["accuracy"] == pytest.approx(before["accuracy"] - was_right / 150)


def test_each_label_says_how_many_train_rows_it_rests_on(figures):
    _, _, found = figures
    train = mails(300, 1)["label"].to_pylist()
    assert {name: its["train_rows"] for name, its in found["classes"].items()} == {
        name: train.count(name) for name in LABELS
    }


@pytest.mark.proof
def test_calibration_error_is_none_for_a_calibrated_model_and_the_gap_for_a_boastful_one():
    random = np.random.default_rng(3)
    confidence = random.uniform(0.5, 1, 200_000)
    truth = (random.random(200_000) > confidence).astype(int)
    honest = np.column_stack([confidence, 1 - confidence])
    assert probability_measures(truth, honest, 15)["calibration_error"] < 0.01
    boastful = np.column_stack([np.full(200_000, 0.95), np.full(200_000, 0.05)])
    found = probability_measures(truth, boastful, 15)["calibration_error"]
    assert found == pytest.approx(0.95 - (truth == 0).mean(), abs=1e-9)


@pytest.mark.proof
def test_every_measure_stands_beside_the_baseline_with_its_interval_and_paired_difference(figures):
    _, _, found = figures
    measures = {"accuracy", "macro_f1", "log_loss", "roc_auc", "pr_auc", "calibration_error"}
    assert measures <= found.keys() and measures <= found["baseline"].keys()
    for name in measures:
        assert found["differences"][name] == pytest.approx(found[name] - found["baseline"][name])
        for place in (found["intervals"], found["intervals"]["baseline"], found["intervals"]["differences"]):
            low, high = place[name]
            assert low <= high
    for label in LABELS:
        for name in ("precision", "recall", "f1"):
            low, high = found["intervals"]["classes"][label][name]
            assert low <= found["classes"][label][name] <= high
    assert found["resampled"] == {"by": "row", "units": 150, "times": 2000}


@pytest.mark.proof
def test_rows_of_a_group_are_drawn_together_and_an_unknown_column_is_refused(figures):
    test, scored, found = figures
    grouped = test.append_column("thread", pa.array([f"t{i // 10}" for i in range(149)] + [None]))
    by_thread = evaluate(splits(grouped), scored, baseline(grouped), Params(group="thread"), 7)
    assert by_thread["resampled"] == {"by": "thread", "units": 16, "times": 2000}
    assert by_thread["log_loss"] == found["log_loss"]
    assert by_thread["intervals"]["log_loss"] != found["intervals"]["log_loss"]
    with pytest.raises(UserError, match=r"evaluate\.group.*'thread'"):
        evaluate(splits(test), scored, baseline(test), Params(group="thread"), 7)


@pytest.mark.proof
def test_an_own_measure_stands_beside_the_others(figures):
    test, scored, found = figures
    measures = {"errors": lambda truth, predicted, *_: float((truth != predicted).sum())}
    own = evaluate(splits(test), scored, baseline(test), Params(resamples=100), 7, measures)
    wrong = round((1 - found["accuracy"]) * len(test))
    assert own["errors"] == wrong and own["baseline"]["errors"] == wrong - own["differences"]["errors"]
    low, high = own["intervals"]["errors"]
    assert low <= wrong <= high
    assert {"errors"} <= set(own["intervals"]["baseline"]) and {"errors"} <= set(own["intervals"]["differences"])
    assert set(own) - {"errors"} == set(found) <= set(TAKEN), "no own measure may be called like a key of the file"
