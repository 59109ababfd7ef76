"""What a pass of the model holds and leaves out changes the time, not the answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2ForSequenceClassification

from tasks.modelling.checkpoints import checkpoint
from tasks.score import Params
from tasks.score import predict as predicting
from tasks.score.passes import TOKENS, cls_only_last_layer, most_tokens, passes, trial
from tasks.score.predict import predict
from tests.support.models import BERT_LIKE, FAMILIES
from tests.tasks.score.test_score import LONG, ODD


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 600), max_size=60),
    size=st.integers(1, 40),
    tokens=st.sampled_from([1, 64, TOKENS, None]),
    equal=st.booleans(),
)
def test_every_row_is_in_one_pass_which_holds_no_more_than_it_may(lengths, size, tokens, equal):
    found = passes(lengths, size, equal, tokens)
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    for rows in found:
        inside = [lengths[row] for row in rows]
        assert len(rows) <= size and inside == sorted(inside)
        assert len(rows) == 1 or tokens is None or len(rows) * inside[-1] <= tokens
        assert not equal or len(set(inside)) == 1


def test_only_attention_on_a_cpu_is_given_short_passes(bert, recurrent):
    assert (most_tokens(bert), most_tokens(recurrent[1])) == (TOKENS, None)
    with torch.device("meta"):  # stands for any device that is not a CPU
        assert most_tokens(FAMILIES["bert"]()) is None


def test_a_model_is_tried_only_where_much_is_scored():
    assert trial([9, TOKENS, 4]) == [1, 1]
    assert trial([9, 30]) == trial([2] * TOKENS) == trial([]) == []


def reading_the_mean():
    model = FAMILIES["bert"]()
    model.bert.pooler.forward = lambda hidden: hidden.mean(dim=1)
    return model


def reading_the_last():
    model = FAMILIES["bert"]()
    model.bert.pooler.forward = lambda hidden: hidden[:, 11]  # there is none in a layer for the CLS token alone
    return model


def decoder():
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return GPT2ForSequenceClassification(GPT2Config(vocab_size=60, num_labels=2, pad_token_id=0, **sizes))


MODELS = {**FAMILIES, "mean": reading_the_mean, "last": reading_the_last, "gpt2": decoder}


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_the_last_layer_runs_for_the_cls_token_alone_where_no_other_is_read(name):
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    ids = torch.randint(5, 60, (3, 12))
    mask = torch.arange(12) < torch.tensor([12, 7, 2])[:, None]
    tried = {"input_ids": ids[:2], "attention_mask": torch.ones(2, 12, dtype=torch.int64)}
    batch = {"input_ids": ids, "attention_mask": mask.long()}
    seen, expected = [], model(**batch).logits
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer.in_features == BERT_LIKE["intermediate_size"]:
            layer.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    with cls_only_last_layer(model, tried) as does:
        seen.clear()
        found = model(**batch).logits
    assert torch.allclose(found, expected, atol=1e-5)
    assert does == (name in ("bert", "roberta"))
    assert not seen or seen == [12, 12, 1 if does else 12]
    assert (model(**batch).logits == expected).all(), "the model is as it was"


@pytest.mark.proof
def test_rows_are_scored_in_short_passes_and_answered_as_by_the_whole_model(classifier, monkeypatch):
    given, last, load = [], [], checkpoint.load_trained

    def loaded(folder):
        processor, model = load(folder)
        model.register_forward_pre_hook(lambda _, __, named: given.append(named["input_ids"].shape), with_kwargs=True)
        model.bert.encoder.layer[-1].output.register_forward_hook(lambda _, took, __: last.append(took[0].shape[1]))
        return processor, model

    monkeypatch.setattr(checkpoint, "load_trained", loaded)
    texts = [*ODD, *[LONG] * 80]
    section = Params(threads=1, batch_size=512)
    found = predict(texts, classifier, section)
    assert max(rows * tokens for rows, tokens in given) <= TOKENS
    assert last[0] > 1 and set(last[1:]) == {1}, "the whole layer, and its trial and use for one token"
    monkeypatch.setattr(predicting, "trial", lambda _: [])
    monkeypatch.setattr(predicting, "most_tokens", lambda _: None)
    whole = predict(texts, classifier, section)
    assert last[-1] > 1 and max(rows * tokens for rows, tokens in given) > TOKENS
    assert np.allclose(found.probabilities, whole.probabilities, atol=1e-5)
    assert np.allclose(found.embeddings, whole.embeddings, atol=1e-5)
