"""Further pre-training learns from train texts alone, goes on where it was, and hands the encoder to finetune."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, set_seed

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.modelling.checkpoints import checkpoint
from tasks.pretrain import Params, modelling, texts
from tasks.pretrain import resume as stage
from tasks.pretrain.modelling import NO_LOSS, Masking, _loss, _told_only
from tests.support.mails import WORDS

TOP = Path(__file__).parents[3]
QUICK = Params(epochs=3, batch_size=8, learning_rate=1e-2, threads=1, held_out=0.2)
LENGTH = 16


def mails(count, seed=0):
    """Texts with an order to be learnt: the words follow each other as WORDS has them."""
    random = np.random.default_rng(seed)
    return [
        " ".join(np.roll(WORDS, -random.integers(len(WORDS)))[: random.integers(4, 12)]) + " " for _ in range(count)
    ]


@pytest.fixture
def repository(tiny_checkpoint, tmp_path, monkeypatch):
    """What the stage reads, and nothing else: there is no validation and no test split to be read."""
    monkeypatch.chdir(tmp_path)
    paths.TOKENS.mkdir(parents=True)
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    tokenizer.model_max_length = LENGTH
    tokenizer.save_pretrained(paths.TOKENS / "tokenizer")
    write_table(pa.table({"text": mails(150), "label": ["ham"] * 150}), layout.split("train"))
    return tmp_path


@pytest.fixture
def source(tiny_checkpoint):
    return checkpoint.Checkpoint(str(tiny_checkpoint))


def language_model(source):
    set_seed(3)
    return checkpoint.language_model(source)[0]


@pytest.fixture
def material(tiny_checkpoint):
    """A tokenizer, some blocks and their masking."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    masking = Masking(0.15, tokenizer.mask_token_id, frozenset(tokenizer.all_special_ids), len(tokenizer))
    return tokenizer, texts.blocks(mails(120), tokenizer, LENGTH), masking


def test_without_epochs_there_is_a_marker_and_no_library_is_loaded(tmp_path):
    (tmp_path / "params.yaml").write_text("model: {name: tiny}\npretrain: {epochs: 0}\n")
    code = (
        "import sys\nfrom tasks.pretrain.__main__ import main\nmain()\n"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert [file.name for file in (tmp_path / paths.PRETRAINED).iterdir()] == ["pretrain.json"]
    assert json.loads((tmp_path / paths.metrics("pretrain")).read_text()) == {"epochs": 0}


def test_blocks_hold_every_token_in_order(material):
    tokenizer, rows, _ = material
    ids = [
        i for text in mails(120) for i in [*tokenizer(text, add_special_tokens=False).input_ids, tokenizer.sep_token_id]
    ]
    body = rows[:, 1:-1].ravel().tolist()
    assert body == ids[: len(body)]
    assert len(ids) - len(body) < LENGTH - 2
    assert set(rows[:, 0]) == {tokenizer.cls_token_id}
    assert set(rows[:, -1]) == {tokenizer.sep_token_id}


def test_texts_are_held_out_by_their_content_alone():
    pool = [f"text {i}" for i in range(50)]
    train, held = texts.divided(pool, 0.1)
    assert len(held) == 5
    assert sorted(train + held) == sorted(pool)
    assert texts.divided(pool[::-1] + pool[:7], 0.1) == (train, held)


def test_what_is_hidden_can_be_told_and_special_tokens_never_are(material):
    _, rows, masking = material
    rows = np.tile(rows, (20, 1))
    shown, told = (tensor.numpy() for tensor in masking(rows, 1))
    chosen = told != NO_LOSS
    assert (told[chosen] == rows[chosen]).all()
    assert (shown[~chosen] == rows[~chosen]).all()
    assert not np.isin(rows[chosen], list(masking.special)).any()
    ordinary = ~np.isin(rows, list(masking.special))
    assert chosen.sum() / ordinary.sum() == pytest.approx(0.15, abs=0.01)
    assert (shown[chosen] == masking.mask).mean() == pytest.approx(0.8, abs=0.02)
    assert (shown[chosen] == rows[chosen]).mean() == pytest.approx(0.1, abs=0.02)
    assert all(torch.equal(a, b) for a, b in zip(masking(rows, 1), masking(rows, 1), strict=True))
    assert not torch.equal(masking(rows, 1)[1], masking(rows, 2)[1])


def test_the_loss_is_that_of_the_whole_vocabulary_layer(material, source):
    _, rows, masking = material
    model = language_model(source).train(False)
    shown, told = masking(rows, 5)
    expected = cross_entropy(model(input_ids=shown).logits.flatten(0, 1), told.flatten(), ignore_index=NO_LOSS)
    with _told_only(model) as places:
        torch.testing.assert_close(_loss(model, places, shown, told), expected)
    torch.testing.assert_close(model(input_ids=shown).logits.shape, torch.Size([*shown.shape, masking.vocabulary]))


def test_it_learns_and_finetune_starts_from_what_it_learnt(repository, source, tiny_checkpoint):
    figures = stage.pretrain(QUICK, 7, source)
    assert figures["perplexity_after"] < 0.5 * figures["perplexity_before"]
    assert figures["head_drawn"] is True
    assert figures["texts"] + figures["held_out_texts"] == len(set(mails(150)))
    start = checkpoint.starting_point(Model(name=str(tiny_checkpoint)), paths.PRETRAINED)
    assert start.source == str(paths.PRETRAINED)
    before, after = (checkpoint.encoder(place).state_dict() for place in (source, start))
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("encoder.layer") and name.endswith("weight")} <= moved
    assert not {name for name in moved if name.startswith("pooler")}, "what the task has no use for stays"
    assert AutoTokenizer.from_pretrained(paths.PRETRAINED).model_max_length == LENGTH
    assert not list(paths.CHECKPOINTS.iterdir())


class Killed(BaseException):
    """Nobody catches it."""


def test_killed_and_started_again_it_ends_in_the_same_bytes(repository, source, monkeypatch):
    undisturbed = stage.pretrain(QUICK, 7, source)
    expected = (paths.PRETRAINED / "model.safetensors").read_bytes()
    shutil.rmtree(paths.PRETRAINED)
    taken, honest = [], modelling._loss

    def kill_at_the_eleventh(model, *rest):
        if model.training:
            taken.append(1)
            if len(taken) == 11:
                raise Killed
        return honest(model, *rest)

    monkeypatch.setattr(modelling, "_loss", kill_at_the_eleventh)
    section = QUICK.model_copy(update={"checkpoint_seconds": 1e-9})
    monkeypatch.setattr("tasks.modelling.training.checkpoint_store.SHARE", 1e9)
    with pytest.raises(Killed):
        stage.pretrain(section, 7, source)
    assert not paths.PRETRAINED.exists()
    assert stage.pretrain(section, 7, source) == undisturbed
    assert len(taken) == undisturbed["steps"] + 1, "only the step in hand was done again"
    assert (paths.PRETRAINED / "model.safetensors").read_bytes() == expected


def test_the_source_adds_its_texts(tmp_path):
    (tmp_path / "more.txt").write_text("one\n\ntwo\n")
    (tmp_path / "more.jsonl").write_text('{"body": "one"}\n{"body": null}\n')
    assert texts.read(tmp_path / "more.txt", "text") == ["one", "two"]
    assert texts.read(tmp_path / "more.jsonl", "body") == ["one"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "there is no file"),
        ("a.doc", b"", r"ends in none of \.parquet, \.jsonl, \.txt"),
        ("a.txt", b"\xff\xfe", "cannot be read as txt"),
        ("a.jsonl", b'{"text": "x"}\n{"body": "y"}\n', "record 2 of .* has no 'text'"),
        ("a.jsonl", b"{", "cannot be read as jsonl"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
    ],
)
def test_a_source_that_is_none_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        texts.read(tmp_path / name, "text")


def test_what_cannot_be_pre_trained_is_refused(repository, tiny_checkpoint, source):
    family = checkpoint.Checkpoint(str(tiny_checkpoint), family="rnn")
    with pytest.raises(UserError, match=r"pretrain.epochs is 3, but a model of the family rnn"):
        stage.pretrain(QUICK, 7, family)
    with pytest.raises(UserError, match=r"1 different texts are too few"):
        texts.divided(["one", "one"], 0.5)
    write_table(pa.table({"text": ["a", "b"]}), layout.split("train"))
    with pytest.raises(UserError, match=r"less than one block"):
        stage.pretrain(QUICK, 7, source)
