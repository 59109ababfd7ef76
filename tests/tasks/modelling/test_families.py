"""A family that no checkpoint brings is trained, saved, loaded and scored like any other."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoModelForSequenceClassification, set_seed

from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.finetune import Params
from tasks.finetune.transformer import finetune
from tasks.modelling.checkpoints import checkpoint, families
from tasks.modelling.checkpoints.families.rnn import CELLS, RnnConfig, RnnForSequenceClassification, RnnLayer
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tests.support.mails import HALF, WORDS
from tests.support.models import QUICK, rnn

SMALL = {"vocab_size": 60, "hidden_size": 16, "num_labels": 2}
TEXTS = ["free money", "meeting list patch kernel thanks monday", "win", ""]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_nothing(cell, pooling, bidirectional):
    set_seed(1)
    config = RnnConfig(**SMALL, num_hidden_layers=2, cell=cell, pooling=pooling, bidirectional=bidirectional)
    model = RnnForSequenceClassification(config).train(False)
    ids = torch.randint(5, 60, (3, 9))
    mask = (torch.arange(9) < torch.tensor([9, 4, 1])[:, None]).long()
    padded = model(input_ids=ids * mask, attention_mask=mask).logits
    for row, length in enumerate((9, 4, 1)):
        torch.testing.assert_close(model(input_ids=ids[row : row + 1, :length]).logits[0], padded[row])


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_is_torchs_own_bidirectional_one_over_packed_rows(cell):
    set_seed(2)
    layer = RnnLayer(RnnConfig(**SMALL, cell=cell)).train(False)
    reference = CELLS[cell](16, 8, batch_first=True, bidirectional=True)
    state = dict(layer.forwards.state_dict())
    state |= {f"{name}_reverse": weight for name, weight in layer.backwards.state_dict().items()}
    reference.load_state_dict(state)
    states, lengths = torch.randn(4, 7, 16), torch.tensor([7, 5, 2, 1])
    packed, _ = reference(pack_padded_sequence(states, lengths, batch_first=True))
    expected, _ = pad_packed_sequence(packed, batch_first=True)
    found = layer(states, lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


@pytest.mark.proof
def test_it_learns_and_every_weight_is_drawn_by_the_seed(recurrent, tokens, tiny_checkpoint):
    _, model, done = recurrent
    assert done.metrics["validation_accuracy"] > 0.9
    assert done.metrics["trainable_parameters"] == done.metrics["parameters"] == model.num_parameters()
    section = Params(epochs=1, probe=False, **QUICK)
    one, two, other = (finetune(tokens, rnn(tiny_checkpoint), section, seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_saved_is_what_was_trained_and_brings_no_code(recurrent):
    folder, model, _ = recurrent
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    )
    assert "auto_map" not in json.loads((folder / "config.json").read_text())
    loaded = AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in model.state_dict().items())


@pytest.mark.long
def test_the_pipeline_loads_it_once_its_module_is_imported_and_says_what_score_says(recurrent):
    folder, _, _ = recurrent
    code = (
        "import json, sys, tasks.modelling.checkpoints.families.rnn\n"
        "from transformers import pipeline\n"
        "classify = pipeline('text-classification', sys.argv[1], truncation=True, top_k=None)\n"
        "print(json.dumps(classify(json.loads(sys.argv[2]))))"
    )
    command = [sys.executable, "-c", code, str(folder), json.dumps(TEXTS)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    scored = predict(TEXTS, folder, ScoreParams(threads=1))
    assert scored.embeddings.shape == (len(TEXTS), 16)
    for row, probabilities in zip(said, scored.probabilities, strict=True):
        found = {one["label"]: one["score"] for one in row}
        np.testing.assert_allclose([found[label] for label in scored.labels], probabilities, atol=1e-5)
    words = predict([WORDS[0], WORDS[HALF]], folder, ScoreParams(threads=1))
    assert [words.labels[i] for i in words.probabilities.argmax(1)] == ["spam", "ham"]


@pytest.mark.proof
def test_lower_layers_can_be_frozen_like_those_of_any_model(tokens, tiny_checkpoint):
    section = Params(epochs=1, frozen_layers=1, **QUICK)
    _, done = finetune(tokens, rnn(tiny_checkpoint, layers=2), section, 7)
    assert 0 < done.metrics["trainable_parameters"] < done.metrics["parameters"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"family": "cnn"}, r"model.family is 'cnn'; the families are linear, rnn"),
        ({"config": {"cell": "gru"}}, r"model.config is for a family \(linear, rnn"),
    ],
)
def test_a_family_nobody_wrote_is_refused(tiny_checkpoint, model, words):
    with pytest.raises(UserError, match=words):
        checkpoint.resolve(Model(name=str(tiny_checkpoint), **model))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"cel": "gru"}, r"unknown key model\.config\.cel; model\.config takes cell, bidirectional"),
        ({"cell": "rnn"}, r"model\.config\.cell: Input should be 'lstm', 'gru' or 'plain', not 'rnn'"),
        ({"hidden_size": 7}, r"model\.config\.hidden_size: .*multiple of 2"),
    ],
)
def test_settings_that_a_family_does_not_take_are_refused(tiny_checkpoint, config, words):
    with pytest.raises(UserError, match=words):
        checkpoint.classifier(rnn(tiny_checkpoint, **config), ["ham", "spam"])


def test_every_family_of_the_table_keeps_its_contract(tiny_checkpoint):
    tokenizer = checkpoint.tokenizer(checkpoint.Checkpoint(str(tiny_checkpoint)))
    for name in families.FAMILIES.keys() - families.WITHOUT_CHECKPOINT:
        assert families.config(name, {}, tokenizer).model_type == name
