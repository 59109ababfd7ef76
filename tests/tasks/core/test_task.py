"""Keys that a task does not take are refused by name, before anything is read."""

from __future__ import annotations

import pytest

from tasks.core import params
from tasks.core.errors import UserError

ASKED = {
    "ingest.columns.image": "{columns: {image: file}}",
    "ingest.format": "{format: doccano}",
    "finetune.loss": "{loss: focal}",
    "finetune.label_smoothing": "{label_smoothing: 0.1}",
    "finetune.class_weights": "{class_weights: true}",
    "finetune.decision": "{decision: {abstain: 0.2}}",
    "score.precision": "{precision: bf16}",
    "evaluate.measures": "{measures: [cost]}",
}


def general(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    return params.general(file)


@pytest.mark.parametrize("key", ASKED)
def test_what_multi_label_does_not_take(key, tmp_path):
    text = f"{key.partition('.')[0]}: {ASKED[key]}\n"
    with pytest.raises(UserError, match=f"{key} is not for task: multi_label"):
        general(tmp_path, f"task: multi_label\n{text}")
    assert general(tmp_path, text).task == "single_label"


def test_a_separator_is_for_several_labels(tmp_path):
    text = 'ingest: {label_separator: ";"}\n'
    assert general(tmp_path, f"task: multi_label\n{text}").task == "multi_label"
    with pytest.raises(UserError, match=r"ingest\.label_separator is not for task: single_label"):
        general(tmp_path, text)


def test_defaults_that_are_written_out_are_taken(tmp_path):
    text = "finetune: {loss: cross_entropy, label_smoothing: 0.0, class_weights: false, decision: {}}\n"
    assert general(tmp_path, f"task: multi_label\n{text}evaluate: {{measures: []}}\n").task == "multi_label"


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_an_order_is_for_the_task_that_has_one(task, tmp_path):
    assert general(tmp_path, f"task: {task}\nlabel_order: null\n").label_order is None
    with pytest.raises(UserError, match=f"label_order is not for task: {task}"):
        general(tmp_path, f"task: {task}\nlabel_order: [low, high]\n")


def test_what_an_order_may_be(tmp_path):
    assert general(tmp_path, "task: ordinal\n").label_order is None
    assert general(tmp_path, "task: ordinal\nlabel_order: [low, high]\n").label_order == ["low", "high"]
    assert general(tmp_path, "task: ordinal\nlabel_order: [3, 2, 1]\n").label_order == ["3", "2", "1"]
    for asked, said in (("[low]", "at least 2"), ("[low, high, low]", "named twice"), ("[true, false]", "in quotes")):
        with pytest.raises(UserError, match=rf"params.yaml: label_order.*{said}"):
            general(tmp_path, f"task: ordinal\nlabel_order: {asked}\n")
