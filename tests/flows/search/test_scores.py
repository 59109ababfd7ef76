"""The choice's cost: none where there is nothing to choose, and all of the lead where the lead is luck."""

from __future__ import annotations

import numpy as np
import pytest

from flows.search.scores import Predictions, optimism, predictions
from tasks.core import paths
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.finetune.transformer import write_classifier
from tasks.modelling.checkpoints import checkpoint
from tests.support.mails import mails

MEASURES = ("log_loss", "accuracy", "macro_f1")
ROWS = 200


def guesses(rows, seed):
    """A model that knows nothing, in its own way."""
    one = np.random.default_rng(seed).uniform(0.3, 0.7, rows)
    return np.stack([one, 1 - one], axis=1)


def of(probability, truth=None):
    return Predictions(probability, np.arange(len(probability)) % 2 if truth is None else truth)


@pytest.mark.parametrize("measure", MEASURES)
def test_one_trial_costs_nothing(measure):
    alone = of(guesses(ROWS, 0))
    found = optimism({"one": alone}, measure, 7)
    assert found.expected == pytest.approx(alone.measures()[measure], abs=0.01)
    assert found.interval[0] < found.expected < found.interval[1]


@pytest.mark.proof
@pytest.mark.parametrize("measure", MEASURES)
def test_the_lead_of_the_luckiest_guess_is_taken_back(measure):
    leads, left = [], []
    for repeat in range(20):
        tried = {str(seed): of(guesses(ROWS, (repeat, seed))) for seed in range(15)}
        scores = [one.measures()[measure] for one in tried.values()]
        best, typical = (min if measure == "log_loss" else max)(scores), np.mean(scores)
        leads.append(best - typical)
        left.append(optimism(tried, measure, 7, times=100).expected - typical)
    assert abs(np.mean(left)) < 0.2 * abs(np.mean(leads))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_model_that_is_better_by_far_keeps_its_lead(measure):
    truth = np.arange(ROWS) % 2
    sure = np.where(np.eye(2)[truth] > 0, 0.95, 0.05)
    sure[:20] = sure[:20, ::-1]
    tried = {"good": of(sure), **{str(seed): of(guesses(ROWS, seed)) for seed in range(5)}}
    found = optimism(tried, measure, 7)
    assert found.expected == pytest.approx(of(sure).measures()[measure], abs=0.01)


def test_measures_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    one = of(guesses(ROWS, 3))
    answers = one.probability.argmax(axis=1)
    assert one.measures() == pytest.approx(
        {
            "log_loss": log_loss(one.truth, one.probability),
            "accuracy": accuracy_score(one.truth, answers),
            "macro_f1": f1_score(one.truth, answers, average="macro"),
        }
    )


def test_predictions_come_back_as_they_were_written(tmp_path):
    one = of(guesses(5, 1))
    one.write(tmp_path / "some" / "one.npz")
    back = Predictions.read(tmp_path / "some" / "one.npz")
    assert (back.probability == one.probability).all() and (back.truth == one.truth).all()


@pytest.mark.proof
def test_the_validation_rows_are_all_that_is_read(tiny_checkpoint, tokens, tmp_path, monkeypatch):
    """In a folder where no other table lies."""
    monkeypatch.chdir(tmp_path)
    rows = mails(24, 1)
    write_table(rows, layout.split("validation"))
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    model = checkpoint.classifier(checkpoint.Checkpoint(str(tiny_checkpoint)), ["ham", "spam"])
    write_classifier(model, tokens / "tokenizer", paths.CLASSIFIER)
    found = predictions()
    assert found.probability.shape == (24, 2)
    assert [["ham", "spam"][number] for number in found.truth] == rows["label"].to_pylist()
