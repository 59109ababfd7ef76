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
from tasks.pretrain import Params, texts
from tasks.pretrain import run as stage
from tasks.pretrain.masked_lm import NO_LOSS, MaskedLmTrainer, Masking, masked_loss, masked_positions_only
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
    masking = Masking(tokenizer, 0.15)
    return tokenizer, texts.blocks(mails(120), tokenizer, LENGTH), masking


@pytest.mark.proof
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
    train, held = texts.split_texts(pool, 0.1)
    assert len(held) == 5
    assert sorted(train + held) == sorted(pool)
    assert texts.split_texts(pool[::-1] + pool[:7], 0.1) == (train, held)


def test_the_masking_is_that_of_the_paper_and_only_its_seed_decides_it(material):
    tokenizer, rows, masking = material
    rows = torch.from_numpy(np.tile(rows, (20, 1)))
    inputs, labels = masking(rows, 1)
    chosen, special = labels != NO_LOSS, torch.isin(rows, torch.tensor(tokenizer.all_special_ids))
    assert torch.equal(labels[chosen], rows[chosen]) and torch.equal(inputs[~chosen], rows[~chosen])
    assert not (chosen & special).any()
    assert (chosen.sum() / (~special).sum()).item() == pytest.approx(0.15, abs=0.01)
    assert (inputs[chosen] == tokenizer.mask_token_id).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (inputs[chosen] == rows[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert all(torch.equal(a, b) for a, b in zip(masking(rows, 1), (inputs, labels), strict=True))
    assert not torch.equal(masking(rows, 2)[1], labels)


def test_the_loss_is_that_of_the_whole_vocabulary_layer(material, source):
    tokenizer, rows, masking = material
    model = language_model(source).train(False)
    inputs, labels = masking(torch.from_numpy(rows), 5)
    expected = cross_entropy(model(input_ids=inputs).logits.flatten(0, 1), labels.flatten(), ignore_index=NO_LOSS)
    with masked_positions_only(model) as positions:
        torch.testing.assert_close(masked_loss(model, positions, inputs, labels), expected)
    torch.testing.assert_close(model(input_ids=inputs).logits.shape, torch.Size([*inputs.shape, len(tokenizer)]))


@pytest.mark.proof
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


@pytest.mark.proof
@pytest.mark.parametrize(
    "moment", [pytest.param(1, marks=pytest.mark.long), 7, pytest.param(14, marks=pytest.mark.long)]
)
def test_killed_and_started_again_it_ends_in_the_same_bytes(repository, source, monkeypatch, capsys, moment):
    undisturbed = stage.pretrain(QUICK, 7, source)
    expected = (paths.PRETRAINED / "model.safetensors").read_bytes()
    shutil.rmtree(paths.PRETRAINED)
    taken, step = [], MaskedLmTrainer.training_step

    def killed(self, *args, **kwargs):
        taken.append(self.state.global_step)
        if len(taken) == moment + 1:
            raise Killed
        return step(self, *args, **kwargs)

    monkeypatch.setattr(MaskedLmTrainer, "training_step", killed)
    section = QUICK.model_copy(update={"checkpoint_seconds": 1e-9})
    monkeypatch.setattr("tasks.modelling.training.checkpoint_store.MAX_TIME_SHARE", 1e9)
    with pytest.raises(Killed):
        stage.pretrain(section, 7, source)
    assert not paths.PRETRAINED.exists()
    assert stage.pretrain(section, 7, source) == undisturbed
    assert f"resuming at step {moment} of {undisturbed['steps']}" in capsys.readouterr().out
    assert len(taken) == undisturbed["steps"] + 1, "only the interrupted step is repeated"
    assert (paths.PRETRAINED / "model.safetensors").read_bytes() == expected


def test_the_source_adds_its_texts(tmp_path):
    (tmp_path / "more.txt").write_text("one\n\ntwo\n")
    (tmp_path / "more.jsonl").write_text('{"body": "one"}\n{"body": null}\n')
    assert texts.read(tmp_path / "more.txt", "text") == ["one", "two"]
    assert texts.read(tmp_path / "more.jsonl", "body") == ["one"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "does not exist"),
        ("a.doc", b"", r"is none of \.parquet, \.jsonl, \.txt"),
        ("a.txt", b"\xff\xfe", "cannot be read as txt"),
        ("a.jsonl", b'{"text": "x"}\n{"body": "y"}\n', "record 2 of .* has no 'text'"),
        ("a.jsonl", b"{", "cannot be read as jsonl"),
        ("a.parquet", b"PAR1", "cannot be read as a table"),
    ],
)
def test_a_source_that_is_none_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        texts.read(tmp_path / name, "text")


def test_what_cannot_be_pre_trained_is_refused(repository, tiny_checkpoint, source):
    family = checkpoint.Checkpoint(str(tiny_checkpoint), family="rnn")
    with pytest.raises(UserError, match=r"pretrain.epochs is 3, but the family rnn cannot be pre-trained"):
        stage.pretrain(QUICK, 7, family)
    with pytest.raises(UserError, match=r"1 different texts are too few"):
        texts.split_texts(["one", "one"], 0.5)
    write_table(pa.table({"text": ["a", "b"]}), layout.split("train"))
    with pytest.raises(UserError, match=r"less than one block"):
        stage.pretrain(QUICK, 7, source)
