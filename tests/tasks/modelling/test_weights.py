"""Published checkpoints load whole: the key lists of the most used architectures, with the heads they were pretrained
with and the spellings of older releases. What does not fit its config is refused and counted."""

from __future__ import annotations

import re

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from tasks.core.errors import UserError
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.checkpoints.checkpoint import Checkpoint

WIDTH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {"vocab_size": 60, "max_position_embeddings": 66}
BART = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
        "decoder_attention_heads": 2, "decoder_ffn_dim": 32}  # fmt: skip
VIT = {"image_size": 8, "patch_size": 4, **WIDTH}
POSITIONS = {"embeddings.position_ids": torch.arange(66)[None]}


def gamma_and_beta(found):
    """As TensorFlow called them, and bert-base-uncased still does."""
    return {
        re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", name)): one
        for name, one in found.items()
    }


def bare(prefix):
    """As saved from the model without a head: no prefix."""
    return lambda found: {name.removeprefix(f"{prefix}."): one for name, one in found.items()}


def with_buffers(prefix):
    """As older releases saved them."""
    return lambda found: found | {f"{prefix}.{name}": one for name, one in POSITIONS.items()}


def same(found):
    return found


def without(pattern):
    return lambda found: {name: one for name, one in found.items() if not re.search(pattern, name)}


def causal_masks(found):
    """gpt2 as published: no prefix, and the masks of its layers as buffers."""
    found = bare("transformer")(found)
    masks = {f"h.{layer}.attn.{name}": torch.ones(1, 1, 8, 8) for layer in range(2) for name in ("bias", "masked_bias")}
    return found | masks


BERT_HEAD = {"classifier.weight", "classifier.bias"}
ROBERTA_HEAD = {f"classifier.{layer}.{kind}" for layer in ("dense", "out_proj") for kind in ("weight", "bias")}
POOLER = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
PUBLISHED = [  # class it was pretrained as, its config, how its keys are spelled, what may be drawn, what is not used
    ("BertForPreTraining", "Bert", WIDTH | TEXT, same, BERT_HEAD, "cls.predictions"),
    ("BertForPreTraining", "Bert", WIDTH | TEXT, gamma_and_beta, BERT_HEAD, "cls.predictions"),
    ("BertForPreTraining", "Bert", WIDTH | TEXT, with_buffers("bert"), BERT_HEAD, "cls.predictions"),
    ("BertForMaskedLM", "Bert", WIDTH | TEXT, same, BERT_HEAD | POOLER, "cls.predictions"),
    ("BertModel", "Bert", WIDTH | TEXT, same, BERT_HEAD, ""),
    ("BertForMaskedLM", "Bert", WIDTH | TEXT, bare("bert"), BERT_HEAD | POOLER, "cls.predictions"),
    ("RobertaForMaskedLM", "Roberta", WIDTH | TEXT, with_buffers("roberta"), ROBERTA_HEAD, "lm_head"),
    ("RobertaModel", "Roberta", WIDTH | TEXT, same, ROBERTA_HEAD, "pooler"),
    ("XLMRobertaForMaskedLM", "XLMRoberta", WIDTH | TEXT, with_buffers("roberta"), ROBERTA_HEAD, "lm_head"),
    ("DistilBertForMaskedLM", "DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32} | TEXT, same,
     {f"{layer}.{kind}" for layer in ("pre_classifier", "classifier") for kind in ("weight", "bias")}, "vocab_"),
    ("DebertaV2ForMaskedLM", "DebertaV2", WIDTH | TEXT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"],
     "position_buckets": 8, "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False}, same,
     {"pooler.dense.weight", "pooler.dense.bias"} | BERT_HEAD, "predictions"),
    ("DebertaV2ForMaskedLM", "DebertaV2", WIDTH | TEXT | {"legacy": False}, same,
     {"pooler.dense.weight", "pooler.dense.bias"} | BERT_HEAD, "lm_predictions"),
    ("ElectraForPreTraining", "Electra", WIDTH | TEXT | {"embedding_size": 8}, same, ROBERTA_HEAD, "discriminator"),
    ("ElectraForMaskedLM", "Electra", WIDTH | TEXT | {"embedding_size": 8}, same, ROBERTA_HEAD, "generator_"),
    ("AlbertForPreTraining", "Albert", WIDTH | TEXT | {"embedding_size": 8}, same, BERT_HEAD, "predictions"),
    ("AlbertForPreTraining", "Albert", WIDTH | TEXT | {"embedding_size": 8}, with_buffers("albert"), BERT_HEAD,
     "predictions"),
    ("MPNetForMaskedLM", "MPNet", WIDTH | TEXT, same, ROBERTA_HEAD, "lm_head"),
    ("MPNetModel", "MPNet", WIDTH | TEXT, same, ROBERTA_HEAD, "pooler"),
    ("ModernBertForMaskedLM", "ModernBert", WIDTH | TEXT | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
     "cls_token_id": 1, "sep_token_id": 2}, same, BERT_HEAD, "decoder"),
    ("MobileBertForPreTraining", "MobileBert", WIDTH | TEXT | {"embedding_size": 8, "intra_bottleneck_size": 16,
     "true_hidden_size": 16}, same, BERT_HEAD, "cls."),
    ("BartForConditionalGeneration", "Bart", BART | TEXT, same,
     {f"classification_head.{layer}.{kind}" for layer in ("dense", "out_proj") for kind in ("weight", "bias")}, ""),
    ("GPT2LMHeadModel", "GPT2", {"vocab_size": 60, "n_positions": 66, "n_embd": 16, "n_layer": 2, "n_head": 2},
     causal_masks, {"score.weight"}, ""),
    ("ViTForMaskedImageModeling", "ViT", VIT | {"encoder_stride": 4}, without("mask_token"), BERT_HEAD, "decoder"),
    ("ViTModel", "ViT", VIT, same, BERT_HEAD, "pooler"),
    ("ViTForImageClassification", "ViT", VIT | {"num_labels": 5}, same, BERT_HEAD, ""),
]  # fmt: skip


def published(folder, architecture, config, spell):
    """A tiny checkpoint as that class saves it, its keys spelled so."""
    torch.manual_seed(0)
    name = "ViT" if architecture.startswith("ViT") else config[0]
    model = getattr(transformers, architecture)(getattr(transformers, f"{name}Config")(**config[1]))
    model.save_pretrained(folder)
    file = folder / "model.safetensors"
    found = {name: one.contiguous() for name, one in spell(load_file(file)).items()}
    save_file(found, file, metadata={"format": "pt"})
    return model


@pytest.mark.proof
@pytest.mark.parametrize(
    ("architecture", "name", "values", "spell", "drawn", "unused"),
    PUBLISHED,
    ids=[f"{one[0]}-{one[3].__qualname__.partition('.')[0]}-{number}" for number, one in enumerate(PUBLISHED)],
)
def test_what_is_published_loads_whole(architecture, name, values, spell, drawn, unused, tmp_path, capsys):
    source = published(tmp_path / "model", architecture, (name, values), spell)
    modality = "image" if name == "ViT" else "text"
    model = checkpoint.classifier(Checkpoint(str(tmp_path / "model")), ["a", "b", "c"], modality=modality)
    lines = capsys.readouterr().out.splitlines()
    assert {name for line in lines if line.startswith("drawn at random: ") for name in line[17:].split(", ")} == drawn
    assert len(lines) <= 2
    assert unused in "\n".join(line for line in lines if "are not used" in line)
    there, here = source.base_model.state_dict(), model.base_model.state_dict()
    shared = there.keys() & here.keys()
    assert len(shared) >= 0.8 * len(there)
    assert all(torch.equal(there[name], here[name]) for name in shared)


@pytest.fixture
def bert(tmp_path):
    published(tmp_path / "model", "BertForPreTraining", ("Bert", WIDTH | TEXT), same)
    return Checkpoint(str(tmp_path / "model"))


@pytest.mark.proof
def test_a_head_for_other_labels_is_drawn_and_one_for_as_many_is_kept(bert, tmp_path, capsys):
    first = checkpoint.classifier(bert, ["a", "b"])
    first.save_pretrained(tmp_path / "two")
    capsys.readouterr()
    again = checkpoint.classifier(Checkpoint(str(tmp_path / "two")), ["x", "y"])
    assert capsys.readouterr().out == ""
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    checkpoint.classifier(Checkpoint(str(tmp_path / "two")), ["a", "b", "c"])
    assert capsys.readouterr().out == "drawn at random: classifier.bias, classifier.weight\n"


@pytest.mark.proof
def test_every_part_of_an_encoder_is_needed(bert, tmp_path):
    file = tmp_path / "model/model.safetensors"
    whole = load_file(file)
    encoder = [name for name in whole if name.startswith("bert.") and ".pooler." not in name]
    assert len(encoder) == 37
    for name in encoder[::6]:
        save_file({key: one for key, one in whole.items() if key != name}, file, metadata={"format": "pt"})
        with pytest.raises(UserError, match=rf"38 of 39 weights of the bert encoder found \(missing: {name}\)"):
            checkpoint.classifier(bert, ["a", "b"])
        for load in (checkpoint.encoder, checkpoint.language_model):
            with pytest.raises(UserError, match="weights of the bert encoder found"):
                load(bert)


@pytest.mark.proof
def test_of_a_trained_classifier_the_head_is_needed_too(classifier, tmp_path):
    import shutil

    shutil.copytree(classifier, tmp_path / "trained")
    file = tmp_path / "trained/model.safetensors"
    checkpoint.load_trained(tmp_path / "trained")
    save_file({key: one for key, one in load_file(file).items() if key != "classifier.bias"}, file, {"format": "pt"})
    with pytest.raises(UserError, match=r"of the model found \(missing: classifier\.bias\)"):
        checkpoint.load_trained(tmp_path / "trained")


@pytest.mark.proof
def test_without_an_encoder_of_its_own_all_but_the_last_layer_is_needed(recurrent, tmp_path):
    import shutil

    shutil.copytree(recurrent[0], tmp_path / "trained")
    file, source = tmp_path / "trained/model.safetensors", Checkpoint(str(tmp_path / "trained"))
    whole = load_file(file)
    checkpoint.classifier(source, ["a", "b", "c"])
    save_file({key: one for key, one in whole.items() if key != "dense.weight"}, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"weights of the rnn encoder found \(missing: dense\.weight\)"):
        checkpoint.classifier(source, ["a", "b", "c"])


def test_a_model_of_more_numbers_than_its_weights_is_refused_before_they_are_there(bert, tmp_path):
    BertConfig(**WIDTH | TEXT | {"max_position_embeddings": 2**23}).save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="describes a model of more than"):
        checkpoint.classifier(bert, ["a", "b"])
    with torch.device("meta"):  # and what follows is built as ever
        torch.nn.Linear(2**20, 2**10)
