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
