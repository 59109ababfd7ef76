"""What is tried before the first step: a row alone is the row in any batch, and what a model cannot do is said."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import FNetConfig, FNetForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from tasks.core.errors import UserError
from tasks.finetune import Lora, Params, frozen
from tasks.finetune.batching import LengthGroupedSampler, Rows, min_rows, model_inputs
from tasks.finetune.fit import fit
from tasks.finetune.preflight import settle
from tasks.modelling.checkpoints.head import batches_of, needs_equal_lengths, watching_last_layer
from tests.support.models import FAMILIES, QUICK, ragged


def fnet():
    torch.manual_seed(1)
    config = FNetConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=3, intermediate_size=32, max_position_embeddings=64,
        pad_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    return FNetForSequenceClassification(config)


def gpt2(**more):
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=60, n_positions=64, n_embd=16, n_layer=3, n_head=2, pad_token_id=0, initializer_range=0.5, **more
    )
    return GPT2ForSequenceClassification(config)


@pytest.mark.proof
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_left_as_it_was(family):
    model, rows = FAMILIES[family](), ragged(20)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    found = settle(model, rows, Params(frozen_layers="auto", lora=Lora(rank=2), **QUICK), longest=30)
    assert (found.section.frozen_layers, found.section.probe, needs_equal_lengths(model)) == (2, True, False)
    assert found.sample.lengths.max() == 30 and len(set(found.sample.lengths.tolist())) > 2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all() and random.getstate() == states[2]
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())


@pytest.mark.proof
def test_where_padding_changes_answers_rows_of_one_length_share_a_batch(capsys):
    model, rows = fnet(), ragged(40)
    done = fit(model, rows, ragged(12, seed=1), Params(epochs=1, frozen_layers="auto", **QUICK), 1)
    assert needs_equal_lengths(model) and model.config.to_dict()["equal_length_batches"] is True
    assert "padding changes the answers of FNetForSequenceClassification" in capsys.readouterr().out
    held = ragged(12, seed=1)
    with torch.inference_mode():
        alone = torch.cat([model(**model_inputs(model, held, [i])).logits for i in range(12)])
    loss = nn.functional.cross_entropy(alone.double(), torch.from_numpy(held.labels))
    assert done.metrics["validation_loss_at_temperature"] == pytest.approx(float(loss), abs=1e-5)


def test_a_model_that_looks_at_the_other_rows_is_refused(bert):
    forward = bert.bert.forward

    def mixed(*args, **named):
        found = forward(*args, **named)
        found["pooler_output"] = found["pooler_output"] + found["pooler_output"].mean(0)
        return found

    bert.bert.forward = mixed
    with pytest.raises(UserError, match="another answer beside other rows"):
        settle(bert, ragged(20), Params(**QUICK))


def test_a_model_that_answers_at_random_is_refused(bert):
    bert.dropout.forward = lambda states: states + torch.rand_like(states)
    with pytest.raises(UserError, match="another answer each time"):
        settle(bert, ragged(20), Params(**QUICK))


def test_a_row_longer_than_the_positions_is_refused_before_the_first_step(bert):
    with pytest.raises(UserError, match=r"cannot read a row of 65 tokens .*lower tokenize.max_length"):
        settle(bert, ragged(20), Params(**QUICK), longest=65)


def test_a_decoders_embedding_is_that_of_the_token_it_answers_at():
    model, rows = gpt2().train(False), ragged(9)
    with torch.inference_mode(), watching_last_layer(model) as seen:
        inputs = model_inputs(model, rows, range(9))
        logits = model(**inputs).logits
        embeddings = seen.embeddings(logits, inputs)
        assert embeddings.shape == (9, 16) and torch.allclose(model.score(embeddings), logits, atol=1e-5)


@pytest.mark.proof
@pytest.mark.parametrize("section", [{}, {"frozen_layers": 2}, {"lora": Lora(rank=2)}, {"frozen_layers": "auto"}])
def test_a_decoder_trains(section):
    model, rows = gpt2(), ragged(30)
    kept = model.transformer.h[0].attn.c_attn.weight.clone(), model.transformer.wte.weight.clone()
    done = fit(model, rows, ragged(8, seed=1), Params(epochs=1, **QUICK, **section), 1)
    assert np.isfinite(done.metrics["validation_loss"])
    moved = [not torch.equal(a, b) for a, b in zip(
        (model.transformer.h[0].attn.c_attn.weight, model.transformer.wte.weight), kept, strict=True)]  # fmt: skip
    assert moved == {"frozen_layers": [section.get("frozen_layers") != 2] * 2, "lora": [True, False]}.get(
        next(iter(section), "frozen_layers")
    )


@pytest.mark.proof
def test_weights_that_frozen_layers_share_with_those_above_are_not_trained(bert):
    """As MPNet's and DeBERTa's relative positions: trained, they would make the stored activations another model's."""
    table = bert.bert.encoder.shared = nn.Parameter(torch.ones(16))
    for layer in bert.bert.encoder.layer:
        layer.register_forward_pre_hook(lambda _, given: (given[0] * table, *given[1:]))
    rows = ragged(20)
    assert [weight is table for weight in frozen.shared_weights(bert, 1, rows)] == [True]
    fit(bert, rows, ragged(8, seed=1), Params(epochs=1, frozen_layers=1, **QUICK), 1)
    assert torch.equal(table, torch.ones(16)) and table.requires_grad


@pytest.mark.proof
def test_a_number_of_frozen_layers_that_cannot_hold_is_refused_and_auto_steps_aside(capsys):
    model, rows = gpt2(), ragged(12)
    model.config.n_layer = 4  # no list of so many
    with pytest.raises(UserError, match="has no list of layers; set it to 0"):
        settle(model, rows, Params(frozen_layers=1, **QUICK))
    assert settle(model, rows, Params(frozen_layers="auto", **QUICK)).section.frozen_layers == 0
    assert "no layers of GPT2ForSequenceClassification are frozen" in capsys.readouterr().out


def test_a_batch_norm_never_sees_one_row():
    model = gpt2()
    assert min_rows(model) == 1
    model.norm = nn.BatchNorm1d(3)
    assert min_rows(model) == 2
    lengths = np.ones(17, np.int64)
    batches = LengthGroupedSampler(lengths, 8, 1, min_rows=2)
    assert sorted(len(batch) for batch in batches) == [8, 9] and len(batches) == 2
    assert sorted(i for batch in batches for i in batch) == list(range(17))
    with pytest.raises(UserError, match="batch_size is 1, but the batch norm"):
        settle(model, ragged(12), Params(**QUICK | {"batch_size": 1}))


@pytest.mark.parametrize("equal", [True, False])
def test_scored_batches_hold_every_row_once(equal):
    lengths = ragged(50).lengths.tolist()
    batches = batches_of(lengths, 8, equal)
    assert sorted(np.concatenate(batches).tolist()) == list(range(50))
    assert max(map(len, batches)) <= 8
    assert equal == all(len({lengths[i] for i in batch}) == 1 for batch in batches)
    assert batches_of([], 8, equal) == []


def test_an_end_token_that_the_model_looks_for_keeps_its_number():
    """As BART, which answers at the end token: its embedding is not cut down to the tokens that occur."""
    from tasks.finetune import vocabulary

    model, rows = gpt2(), ragged(12)
    forward = model.transformer.forward

    def marked(input_ids=None, **named):
        found = forward(input_ids=input_ids, **named)
        found["last_hidden_state"] = found["last_hidden_state"] * (1 + (input_ids == 59).any())
        return found

    model.transformer.forward = marked
    rows = replace(rows, values=np.where(np.arange(len(rows.values)) % 3 == 0, 59, 7).astype(np.int32))
    with vocabulary.only_used_tokens(model, rows, sample=rows) as (part,):
        assert part is rows and model.get_input_embeddings().num_embeddings == 60


def test_rows_are_taken_by_number():
    rows = Rows("input_ids", np.arange(6), np.array([0, 1, 3, 6]), np.array([0, 1, 0]), ["a", "b", "c"])
    taken = rows.take([2, 0])
    assert [taken[i]["input_ids"].tolist() for i in range(2)] == [[3, 4, 5], [0]]
    assert json.dumps(taken.ids) == '["c", "a"]'
