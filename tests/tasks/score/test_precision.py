"""score.precision: bf16 changes the encoder's products and nothing else, and says by how much; too much is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.modelling.checkpoints import checkpoint
from tasks.score import Params
from tasks.score import __main__ as stage
from tasks.score.__main__ import score_window
from tasks.score.precision import SAMPLE, BesideFp32, sample
from tasks.score.predict import predict
from tests.support.mails import mails
from tests.tasks.score.test_score import command, repository

__all__ = ["repository"]
FP32, BF16 = Params(threads=1), Params(threads=1, precision="bf16")
TEXTS = mails(40, 11)["text"].to_pylist()
PRODUCTS = (torch.nn.Linear, torch.nn.GRU)


@pytest.fixture
def made(monkeypatch):
    """The types that the products of the last layer, and of all before it, come in."""
    seen, load = {"last": set(), "encoder": set()}, checkpoint.load_trained

    def note(kind, made):
        seen[kind].add((made[0] if isinstance(made, tuple) else made).dtype)

    def loaded(folder):
        processor, model = load(folder)
        last = checkpoint.last_layer(model)
        for module in (one for one in model.modules() if isinstance(one, PRODUCTS)):
            kind = "last" if module is last else "encoder"
            module.register_forward_hook(lambda _, __, made, kind=kind: note(kind, made))
        return processor, model

    monkeypatch.setattr(checkpoint, "load_trained", loaded)
    return seen


@pytest.mark.proof
@pytest.mark.parametrize("family", ["bert", "rnn"])
def test_the_encoder_computes_in_bf16_and_the_last_layer_in_fp32(classifier, recurrent, made, family):
    folder = classifier if family == "bert" else recurrent[0]
    found = predict(TEXTS, folder, BF16)
    recurrence = {torch.float32} if family == "rnn" else set()  # which torch leaves in fp32 on a CPU
    assert made == {"last": {torch.float32}, "encoder": {torch.bfloat16} | recurrence}
    assert (found.embeddings.dtype, found.probabilities.dtype) == (np.float32, np.float64)
    assert (predict(TEXTS, folder, BF16).probabilities == found.probabilities).all(), "the same bytes twice"
    exact = predict(TEXTS, folder, FP32)
    assert 0 < abs(found.probabilities - exact.probabilities).max() < 0.02
    assert np.allclose(found.embeddings, exact.embeddings, atol=0.05)


@pytest.mark.proof
def test_the_default_is_fp32_and_writes_no_word_of_it(repository, made):
    assert Params().precision == "fp32"
    score_window("reference", FP32)
    assert made == {"last": {torch.float32}, "encoder": {torch.float32}}
    assert not {"precision", "beside_fp32"} & set(read_json(paths.metrics("score", "reference")))


@pytest.mark.proof
def test_the_stage_states_what_bf16_changed_and_leaves_the_baseline_as_it_is(repository, capsys):
    files = layout.window("reference")
    score_window("reference", FP32)
    baseline, scored = files.baseline.read_bytes(), files.scored.read_bytes()
    capsys.readouterr()
    score_window("reference", BF16)
    assert "bf16 and fp32: 0 of 12 rows have another label" in capsys.readouterr().out
    assert files.baseline.read_bytes() == baseline and files.scored.read_bytes() != scored
    figures = read_json(paths.metrics("score", "reference"))
    assert figures["precision"] == "bf16"
    assert 0 < figures["beside_fp32"].pop("largest_difference") < 0.02
    assert figures["beside_fp32"] == {"rows": 12, "flips": 0, "flips_above_margin": 0, "flip_share": 0}


def test_a_window_without_rows_has_no_flips(repository):

    write_table(mails(0), layout.window("current").validated)
    score_window("current", BF16)
    found = read_json(paths.metrics("score", "current"))["beside_fp32"]
    assert (found["rows"], found["flips"], found["flip_share"], found["largest_difference"]) == (0, 0, None, None)


def pair(rows, flips, margin):
    """Probabilities in bf16 and in fp32: so many rows have another label, with that margin in fp32."""
    fp32 = np.tile([0.9, 0.1], (rows, 1))
    fp32[:flips] = [0.5 + margin / 2, 0.5 - margin / 2]
    bf16 = fp32.copy()
    bf16[:flips] = fp32[:flips, ::-1]
    return bf16, fp32


@pytest.mark.parametrize(
    ("rows", "flips", "margin", "kept"),
    [
        (512, 0, 0.0, True),
        (512, 1, 0.01, True),
        (512, 2, 0.01, False),
        (1000, 2, 0.01, True),
        (1000, 3, 0.01, False),
        (12, 1, 0.01, True),  # of few rows a share says nothing: one is not refused
        (12, 2, 0.01, False),
        (512, 1, 0.03, False),
        (5000, 1, 0.03, False),
    ],
)
def test_flips_are_refused_by_their_number_and_by_the_margin_of_fp32(rows, flips, margin, kept):
    found = BesideFp32.of(*pair(rows, flips, margin))
    assert (found.rows, found.flips, found.flips_above_margin) == (rows, flips, flips if margin > 0.02 else 0)
    assert found.metrics()["beside_fp32"]["flip_share"] == flips / rows
    if kept:
        found.refuse()
        return
    with pytest.raises(UserError, match=rf"{flips} of {rows} rows another label .*: set score\.precision: fp32"):
        found.refuse()


@pytest.mark.proof
def test_the_stage_ends_at_too_many_flips_and_writes_nothing(repository, monkeypatch):
    def turned(rows, folder, section):
        found = predict(rows, folder, section)
        return replace(found, probabilities=found.probabilities[:, ::-1]) if section.precision == "fp32" else found

    monkeypatch.setattr(stage, "predict", turned)
    with pytest.raises(UserError, match=r"12 of 12 rows .* set score\.precision: fp32"):
        score_window("reference", BF16)
    assert not layout.window("reference").scored.exists()


@pytest.mark.parametrize("rows", [0, 1, 7, SAMPLE, SAMPLE + 1, 100_000])
def test_the_sample_is_bounded_spread_and_the_same_each_time(rows):
    found = sample(rows)
    assert len(found) == len(set(found)) == min(rows, SAMPLE) and found == sample(rows)
    if rows:
        assert (found[0], found[-1]) == (0, rows - 1 if rows > 1 else 0)
        assert np.diff(found, prepend=-1).max() <= rows / len(found) + 1


@pytest.mark.proof
def test_by_hand_the_precision_of_the_section_holds_unless_another_is_named(repository, made, capsys):
    command("--text", "free money", "--precision", "bf16")
    assert made["encoder"] == {torch.bfloat16}
    made["encoder"].clear()
    (repository / "params.yaml").write_text("model: {name: tiny}\nscore: {threads: 1, precision: bf16}\n")
    command("--text", "free money")
    assert made["encoder"] == {torch.bfloat16}
    made["encoder"].clear()
    command("--text", "free money", "--precision", "fp32")
    assert made["encoder"] == {torch.float32}


def test_a_linear_model_is_refused_in_bf16(repository):
    with pytest.raises(UserError, match=r"bf16 is not for model\.family: linear: set it to fp32"):
        predict(["free money"], paths.BASELINE, BF16)
