"""Checkpoints that somebody else made: each attempt changes a copy of the tiny checkpoint; and what is said of it.

``canary`` is a file that the code among them makes when it runs.
"""

from __future__ import annotations

import json
import os
import pickle
import struct

import torch
from safetensors.torch import load_file, save_file

ATTEMPTS = {}


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, canary):
        self.code = f"open({str(canary)!r}, 'w').close()"

    def __reduce__(self):
        return exec, (self.code,)


def attempt(words):
    """Register an attempt with a regular expression of what its refusal says."""

    def register(change):
        assert change.__name__ not in ATTEMPTS
        ATTEMPTS[change.__name__] = (change, words)
        return change

    return register


def edit(file, **values):
    """Change the keys of a JSON file."""
    file.write_text(json.dumps((json.loads(file.read_text()) if file.exists() else {}) | values))


def rewrite(folder, change):
    """Replace the weights by what ``change`` makes of them."""
    file = folder / "model.safetensors"
    save_file({k: v.contiguous() for k, v in change(load_file(file)).items()}, file, metadata={"format": "pt"})


def module(folder, canary):
    """Code of the checkpoint."""
    text = (
        f"open({str(canary)!r}, 'w').close()\nfrom transformers import BertConfig as C, BertForSequenceClassification"
    )
    (folder / "evil.py").write_text(f"{text} as M, PreTrainedTokenizerFast as T\n")


def pickled(file, canary):
    """A file that runs code when it is unpickled."""
    file.write_bytes(pickle.dumps(Payload(canary)))


def shards(folder, name):
    """The weights as one shard of that name, with an index."""
    tensors = load_file(folder / "model.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def config_key(name, value, words, file="config.json"):
    """An attempt that sets one key of a config file."""

    def change(folder, canary):
        edit(folder / file, **{name: value})

    change.__name__ = f"{file.removesuffix('.json')} {name} {str(value)[:40]}"
    attempt(words)(change)


@attempt("auto_map names code")
def auto_map_of_an_unknown_type(folder, canary):
    module(folder, canary)
    edit(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})


@attempt("auto_map names code")
def auto_map_of_a_known_type(folder, canary):
    module(folder, canary)
    edit(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "evil.M"}, architectures=["M"])


@attempt("auto_map names code")
def auto_map_of_a_hub(folder, canary):
    edit(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "someone/else--evil.C"})


@attempt("auto_map names code")
def auto_map_nested(folder, canary):
    edit(folder / "config.json", text_config={"auto_map": {"AutoConfig": "evil.C"}})


@attempt("auto_map names code")
def auto_map_of_the_tokenizer(folder, canary):
    module(folder, canary)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", "evil.T"]}, tokenizer_class="Evil")


@attempt("auto_map names code")
def auto_map_of_an_image_processor(folder, canary):
    module(folder, canary)
    edit(folder / "preprocessor_config.json", image_processor_type="Evil", auto_map={"AutoImageProcessor": "evil.C"})


@attempt("custom_pipelines names code")
def custom_pipelines(folder, canary):
    module(folder, canary)
    edit(folder / "config.json", custom_pipelines={"text-classification": {"impl": "evil.M"}})


@attempt("is an adapter")
def adapter_beside_weights(folder, canary):
    edit(folder / "adapter_config.json", peft_type="LORA", base_model_name_or_path="someone/unpinned", r=2)
    pickled(folder / "adapter_model.bin", canary)


@attempt("is an adapter")
def adapter_instead_of_weights(folder, canary):
    edit(
        folder / "adapter_config.json", peft_type="LORA", base_model_name_or_path=str(folder), target_modules=["query"]
    )
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")


@attempt("is an adapter")
def adapter_weights_alone(folder, canary):
    pickled(folder / "adapter_model.bin", canary)


@attempt("pytorch_model.bin and no model.safetensors")
def pickle_instead_of_weights(folder, canary):
    (folder / "model.safetensors").unlink()
    pickled(folder / "pytorch_model.bin", canary)


@attempt("pytorch_model.bin and no model.safetensors")
def torch_file_instead_of_weights(folder, canary):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@attempt("tf_model.h5 and no model.safetensors")
def keras_instead_of_weights(folder, canary):
    (folder / "model.safetensors").rename(folder / "tf_model.h5")


@attempt("is no whole safetensors file")
def pickle_by_the_name_of_weights(folder, canary):
    pickled(folder / "model.safetensors", canary)


@attempt("is no safetensors file of this folder")
def index_to_a_pickle(folder, canary):
    shards(folder, "shard.bin")
    (folder / "model.safetensors").unlink()
    pickled(folder / "shard.bin", canary)


@attempt("is no safetensors file of this folder")
def index_to_a_torch_file(folder, canary):
    shards(folder, "shard.bin")
    torch.save(load_file(folder / "model.safetensors"), folder / "shard.bin")
    (folder / "model.safetensors").unlink()


@attempt("is no safetensors file of this folder")
def index_out_of_the_folder(folder, canary):
    shards(folder, "../elsewhere.safetensors")
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")


@attempt("is no safetensors file of this folder")
def index_to_an_absolute_path(folder, canary):
    shards(folder, str(folder.parent / "elsewhere.safetensors"))
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")


@attempt("is a link that leads out")
def index_to_a_link_out(folder, canary):
    shards(folder, "shard.safetensors")
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    (folder / "shard.safetensors").symlink_to(folder.parent / "elsewhere.safetensors")


@attempt("the shard shard.safetensors is missing")
def index_to_a_missing_shard(folder, canary):
    shards(folder, "shard.safetensors")
    (folder / "model.safetensors").unlink()


@attempt("names no weights")
def index_without_weights(folder, canary):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"metadata": {}}')


@attempt("is a link that leads out")
def weights_linked_out(folder, canary):
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to(folder.parent / "elsewhere.safetensors")


@attempt("is a link that leads out")
def config_linked_to_a_secret(folder, canary):
    (folder.parent / "secret.txt").write_text("TOPSECRET")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder.parent / "secret.txt")


@attempt("model.safetensors is no file")
def weights_are_a_pipe(folder, canary):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


@attempt("tokenizer.json is no file")
def tokenizer_is_a_pipe(folder, canary):
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")


@attempt("fast_tokenizer_files names")
def tokenizer_file_of_another_folder(folder, canary):
    (folder / "tokenizer.json").rename(folder.parent / "tokenizer.1.0.0.json")
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=["../tokenizer.1.0.0.json"])


for key in ("vocab_file", "tokenizer_file"):
    config_key(key, "../../../etc/passwd", f"{key} leads out", "tokenizer_config.json")
config_key("transformers_weights", "../elsewhere.safetensors", "transformers_weights names a weights file")
config_key("configuration_files", ["../config.5.0.0.json"], "configuration_files names a config file")
config_key("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantized")
config_key("quantization_config", {"quant_method": "evil"}, "quantized")
for key in ("attn_implementation", "_attn_implementation", "_attn_implementation_internal"):
    config_key(key, "someone/evil-kernel:attn", f"{key} 'someone/evil-kernel:attn' is code from a hub")
config_key("attn_implementation", {"": "eager", "text_config": "someone/evil"}, "is code from a hub")
config_key("use_kernels", True, "use_kernels asks for kernels")
config_key("use_pretrained_backbone", True, "use_pretrained_backbone asks for weights")
config_key("num_hidden_layers", 10**9, "num_hidden_layers is 1000000000, above")
config_key("vocab_size", 2**40, "vocab_size is .* above")
config_key("hidden_size", 2**40, "hidden_size is .* above")
config_key("intermediate_size", 2**24, "describes a model of more than")
config_key("vocab_size", 2**24, "describes a model of more than")
config_key("max_position_embeddings", 2**24, "describes a model of more than")
config_key("type_vocab_size", 2**24, "describes a model of more than")
config_key("num_labels", 10**9, "num_labels is 1000000000, above")
config_key("hidden_size", 0, "cannot be loaded")
config_key("hidden_size", -16, "cannot be loaded")
config_key("hidden_size", "16; rm -rf /", "cannot be loaded")
config_key("num_attention_heads", 0, "cannot be loaded")
config_key("hidden_size", 32, r"\D6 of 103 weights of the bert encoder found")
config_key("num_hidden_layers", 8, "103 of 135 weights of the bert encoder found")
config_key("vocab_size", 4, "the embedding has 4 rows")
config_key("dtype", "os.system", "cannot be loaded")
config_key("model_type", ["bert"], "cannot be loaded")
config_key("model_type", "no such type", "cannot be loaded")
config_key("model_type", "clip", "cannot be loaded")
config_key("model_type", "llama", "weights of the llama encoder found")
config_key("added_tokens_decoder", {"4000000000": {"content": "x"}}, "has the id 4000000000", "tokenizer_config.json")
config_key("size", {"height": 10**6, "width": 10**6}, "height is 1000000, above", "preprocessor_config.json")
config_key("crop_size", 10**6, "crop_size is 1000000, above", "preprocessor_config.json")


@attempt("cannot be loaded")
def config_without_a_type(folder, canary):
    values = json.loads((folder / "config.json").read_text())
    del values["model_type"]
    (folder / "config.json").write_text(json.dumps(values))


@attempt("holds no JSON object")
def config_is_a_list(folder, canary):
    (folder / "config.json").write_text("[1, 2]")


@attempt("is not valid JSON")
def config_is_too_deep(folder, canary):
    (folder / "config.json").write_text("[" * 100_000 + "]" * 100_000)


@attempt("is not valid JSON")
def config_is_not_utf_8(folder, canary):
    (folder / "config.json").write_bytes(b'{"model_type": "bert", "x": "\xff"}')


def header(folder, change):
    """Replace the length of the header, or the header."""
    file = folder / "model.safetensors"
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    made = change(json.loads(content[8 : 8 + length]))
    if isinstance(made, int):
        file.write_bytes(struct.pack("<Q", made) + content[8:])
    else:
        text = json.dumps(made).encode()
        file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@attempt("is no whole safetensors file")
def header_beyond_the_file(folder, canary):
    header(folder, lambda _: 2**62)


@attempt("is no whole safetensors file")
def header_of_100_mb(folder, canary):
    header(folder, lambda _: 10**8)


@attempt("is no whole safetensors file")
def header_cut_off(folder, canary):
    header(folder, lambda _: 10)


@attempt("is no whole safetensors file")
def tensors_that_overlap(folder, canary):
    def change(found):
        first, second = [name for name in found if name != "__metadata__"][:2]
        return found | {first: found[first] | {"data_offsets": found[second]["data_offsets"]}}

    header(folder, change)


@attempt("is no whole safetensors file")
def tensor_larger_than_the_file(folder, canary):
    def change(found):
        first = next(name for name in found if name != "__metadata__")
        return found | {first: found[first] | {"shape": [2**40, 2**40]}}

    header(folder, change)


@attempt("is no whole safetensors file")
def weights_cut_off(folder, canary):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@attempt("is no whole safetensors file")
def weights_are_empty(folder, canary):
    (folder / "model.safetensors").write_bytes(b"")


@attempt("git lfs pull")
def weights_are_a_pointer(folder, canary):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")


@attempt("is not finite")
def weights_are_nan(folder, canary):
    rewrite(folder, lambda found: {name: torch.full_like(one, float("nan")) for name, one in found.items()})


@attempt("is not finite")
def one_weight_is_infinite(folder, canary):
    def change(found):
        found["embeddings.word_embeddings.weight"][5] = float("inf")
        return found

    rewrite(folder, change)


@attempt(r"\D0 of 101 weights of the bert encoder found")
def weights_of_something_else(folder, canary):
    rewrite(folder, lambda found: {f"wrapper.{name}": one for name, one in found.items()})


@attempt("87 of 103 weights of the bert encoder found")
def one_layer_is_missing(folder, canary):
    rewrite(folder, lambda found: {name: one for name, one in found.items() if "layer.1." not in name})


@attempt("of another shape: bert.encoder.layer.0.attention.self.query.weight")
def one_weight_of_another_shape(folder, canary):
    rewrite(folder, lambda found: found | {"encoder.layer.0.attention.self.query.weight": torch.zeros(8, 8)})


@attempt("of another shape: bert.pooler.dense.weight")
def pooler_of_another_shape(folder, canary):
    rewrite(folder, lambda found: found | {"pooler.dense.weight": torch.zeros(8, 8)})


@attempt("weights of the distilbert encoder found")
def config_of_another_architecture(folder, canary):
    edit(folder / "config.json", model_type="distilbert", dim=16, hidden_dim=32, n_layers=2, n_heads=2)


def vocabulary(folder, change):
    """Change the tokenizer's file."""
    values = json.loads((folder / "tokenizer.json").read_text())
    change(values)
    (folder / "tokenizer.json").write_text(json.dumps(values))


@attempt("a token has the id 4000000000")
def token_beyond_all(folder, canary):
    vocabulary(folder, lambda values: values["model"]["vocab"].update(money=4_000_000_000))


@attempt("a token has the id 4000000000")
def added_token_beyond_all(folder, canary):
    token = {"id": 4_000_000_000, "content": "new", "special": False}
    vocabulary(folder, lambda values: values["added_tokens"].append(token))


@attempt("has a token 5000, but the embedding has")
def token_beyond_the_embedding(folder, canary):
    vocabulary(folder, lambda values: values["model"]["vocab"].update(a=5000))


@attempt("a token has the id -1, outside")
def token_below_all(folder, canary):
    vocabulary(folder, lambda values: values["model"]["vocab"].update(a=-1))


@attempt("a pattern of the tokenizer takes more than")
def pattern_without_end(folder, canary):
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    vocabulary(folder, lambda values: values.update(pre_tokenizer=split))


@attempt("makes them more than 32 times as long")
def replacement_that_fills_the_memory(folder, canary):
    replace = {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 10**5}
    vocabulary(folder, lambda values: values.update(normalizer=replace))


@attempt("has no tokenizer")
def no_tokenizer(folder, canary):
    (folder / "tokenizer.json").unlink()


@attempt("has no tokenizer")
def no_tokenizer_file_at_all(folder, canary):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


@attempt("without words")
def tokenizer_without_words(folder, canary):
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    words = {word: number for number, word in enumerate(special)}
    vocabulary(folder, lambda values: values["model"].update(vocab=words))


@attempt("is not valid JSON")
def tokenizer_is_empty(folder, canary):
    (folder / "tokenizer.json").write_text("")


@attempt("cannot be loaded")
def tokenizer_without_a_model(folder, canary):
    (folder / "tokenizer.json").write_text('{"model": null}')


@attempt("holds no JSON object")
def tokenizer_config_is_a_list(folder, canary):
    (folder / "tokenizer_config.json").write_text("[]")
