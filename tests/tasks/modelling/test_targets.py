"""What a model learns, by task: the loss, the calibration, the thresholds and the predictions."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import f1_score, log_loss

from tasks.core.errors import UserError
from tasks.core.task import Task
from tasks.finetune import Params
from tasks.finetune.objectives import LOSSES, loss
from tasks.modelling.decision import Rule
from tasks.modelling.linear.fitting import LogisticRegression
from tasks.modelling.targets.multi_label import MIDDLE, MIN_POSITIVE, MULTI_LABEL, sigmoid, threshold
from tasks.modelling.targets.ordinal import ORDINAL
from tasks.modelling.targets.registry import TARGETS, of_config
from tasks.modelling.targets.single_label import SINGLE_LABEL

LABELS = ["a", "b", "c"]


def drawn(rows=400, seed=0, slope=1.0, shift=0.0):
    """Logits of three labels that are ``slope`` too steep and ``shift`` too high; a truth drawn by the honest ones."""
    random = np.random.default_rng(seed)
    honest = random.normal(-0.5, 2, (rows, 3))
    return slope * honest + shift, (random.random((rows, 3)) < sigmoid(honest)).astype(np.float32)


def test_every_task_has_a_target_and_a_loss():
    assert set(TARGETS) == set(LOSSES) == set(get_args(Task))
    for task, target in TARGETS.items():
        assert target.task == task
        assert of_config({"problem_type": target.problem_type}) is (SINGLE_LABEL if target is ORDINAL else target)
    assert of_config({}) is SINGLE_LABEL  # a model of an earlier release


def test_the_numbers_of_rows_with_none_one_and_two_labels():
    read = MULTI_LABEL.read(pa.chunked_array([[[], [1]], [[0, 2]]], pa.list_(pa.int64())), 3)
    assert read.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 1]]


def test_the_loss_is_the_mean_binary_cross_entropy_here_in_training_and_in_scikit_learn():
    logits, truth = drawn()
    of_labels = [log_loss(truth[:, k], sigmoid(logits[:, k])) for k in range(3)]
    assert MULTI_LABEL.loss(logits, truth) == pytest.approx(np.mean(of_labels))
    trained = loss(torch.from_numpy(logits), torch.from_numpy(truth), None, Params(), "multi_label")
    assert float(trained) == pytest.approx(np.mean(of_labels), rel=1e-5)
    own = torch.nn.BCEWithLogitsLoss()(torch.from_numpy(logits), torch.from_numpy(truth).double())
    assert float(own) == pytest.approx(np.mean(of_labels))


def test_calibration_finds_each_labels_slope_and_shift():
    logits, truth = drawn(4000, slope=3.0, shift=2.0)
    found = MULTI_LABEL.calibrate(logits, truth)
    assert found.divisor == pytest.approx([3, 3, 3], rel=0.15)
    assert found.shift == pytest.approx([-2 / 3] * 3, abs=0.15)
    assert MULTI_LABEL.loss(found.apply(logits), truth) < MULTI_LABEL.loss(logits, truth) - 0.1
    without = MULTI_LABEL.calibrate(logits, truth, shift=False)
    assert without.shift.tolist() == [0, 0, 0]


def test_calibration_of_nothing_changes_nothing_and_never_turns_the_order_round():
    nothing = MULTI_LABEL.calibrate(np.empty((0, 3)), np.empty((0, 3)))
    assert nothing.divisor.tolist() == [1, 1, 1] and nothing.shift.tolist() == [0, 0, 0]
    logits, truth = drawn()
    assert (MULTI_LABEL.calibrate(logits, 1 - truth).divisor > 0).all()


@pytest.mark.proof
def test_a_threshold_has_the_largest_f1_of_all():
    probability, truth = sigmoid(drawn(60)[0][:, 0]), drawn(60)[1][:, 0] > 0
    reached = f1_score(truth, probability >= threshold(probability, truth))
    others = [f1_score(truth, probability >= cut, zero_division=0) for cut in probability]
    assert reached == pytest.approx(max(others))


def test_a_label_on_few_held_out_rows_keeps_the_middle():
    truth = np.arange(40) < MIN_POSITIVE - 1
    assert threshold(np.linspace(0, 0.2, 40), truth) == MIDDLE
    assert threshold(np.linspace(0, 0.2, 40), np.arange(40) >= 35) < 0.2


def test_a_prediction_is_the_labels_that_reach_their_threshold():
    probability = np.array([[0.9, 0.2, 0.8], [0.1, 0.2, 0.3]])
    decision = {"thresholds": {"a": 0.5, "b": 0.2, "c": 0.9}}
    answers = MULTI_LABEL.answers(probability, LABELS, decision)
    assert [json.loads(one) for one in answers] == [["a", "b"], ["b"]]
    assert [json.loads(one) for one in MULTI_LABEL.answers(probability, LABELS, None)] == [["a", "c"], []]
    assert MULTI_LABEL.decisions(probability, LABELS, decision) == answers
    confidence = MULTI_LABEL.confidence(probability, LABELS, decision)
    assert confidence == pytest.approx([0.9 * 0.2 * 0.2, 0.9 * 0.2 * 0.7])
    assert MULTI_LABEL.choose(probability, np.zeros((2, 3)), LABELS, Rule()) == {
        "thresholds": dict.fromkeys(LABELS, 0.5)
    }


def test_a_linear_model_is_one_classifier_for_each_label_and_a_share_where_there_is_nothing_to_tell():
    random = np.random.default_rng(0)
    values, truth = random.normal(size=(50, 4)), np.zeros((50, 3), np.float32)
    truth[:, 0], truth[:, 1] = values[:, 0] > 0, 1
    weights, biases, fitted = MULTI_LABEL.linear(LogisticRegression, values, truth, 3)
    alone = LogisticRegression().fit(values, truth[:, 0])
    assert weights[0] == pytest.approx(alone.coef_[0]) and biases[0] == pytest.approx(alone.intercept_[0])
    assert not weights[1:].any() and biases[1] > 3 and biases[2] < -3 and fitted.tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="on all training rows or on none"):
        MULTI_LABEL.refuse_unlearnable(truth[:, 1:])


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "focal"])
def test_a_model_of_ordered_labels_is_trained_and_calibrated_as_one_of_single_labels_is(name):
    random = np.random.default_rng(0)
    logits, truth = random.normal(size=(60, 3)), random.integers(3, size=60)
    given = torch.from_numpy(logits), torch.from_numpy(truth), torch.tensor([1.0, 2.0, 0.5]), Params(loss=name)
    assert loss(*given, "ordinal") == loss(*given, "single_label")
    assert ORDINAL.loss(logits, truth) == pytest.approx(log_loss(truth, ORDINAL.probabilities(logits)))
    assert ORDINAL.calibrate(logits, truth) == SINGLE_LABEL.calibrate(logits, truth)
    assert ORDINAL.answers(ORDINAL.probabilities(logits), LABELS, None) == [LABELS[i] for i in logits.argmax(axis=1)]
