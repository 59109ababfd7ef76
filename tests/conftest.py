"""Tiny models, built in memory: no test needs a hub. Property tests draw the same examples everywhere."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.tiers import pytest_addoption, pytest_collection_modifyitems  # noqa: F401  hooks, which pytest finds here

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("random", deadline=None, print_blob=True, database=None)  # with --hypothesis-seed
settings.load_profile("same")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A folder with a BERT of width 16, as deep as the default's, with random weights, and a tokenizer of 60 words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from tests.support.mails import WORDS

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocabulary = [*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    backend = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.2,  # at the usual 0.02 a model this small tells no texts apart
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokens(tiny_checkpoint, tmp_path_factory):
    """Tokenized splits of mails, as ``tokenize`` leaves them."""
    from tasks.modelling.checkpoints import checkpoint
    from tasks.tokenize import Params, prepared, tokenize
    from tests.support.mails import mails

    folder = tmp_path_factory.mktemp("tokens")
    splits = {"train": mails(96), "validation": mails(24, 1), "test": mails(24, 2)}
    tokenize(splits, prepared(checkpoint.Checkpoint(str(tiny_checkpoint)), Params(max_length=16)), folder)
    return folder
