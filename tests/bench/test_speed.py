"""The benchmark of tokens per CPU second: what it plans, keeps and says."""

from __future__ import annotations

import pytest

from bench.speed import measuring
from bench.speed.arms import BF16
from bench.speed.measuring import PARTS, Measured, measure, plan
from bench.speed.rows import SIZES, sample, source
from bench.speed.table import text
from tasks.core import chip
from tasks.modelling.checkpoints import checkpoint


def test_the_arms_take_turns_in_every_round(monkeypatch):
    monkeypatch.setattr(chip, "has_bf16", lambda: True)
    keys = list(plan(["score", "train"], 3))
    assert len(keys) == len(set(keys)) == 3 * len(SIZES) * sum(map(len, PARTS.values()))
    arms = [arm for *_, arm in keys[: len(PARTS["score"])]]
    assert arms == list(PARTS["score"]), "each length is measured by all arms, one after the other"


def test_arms_in_bf16_are_left_out_where_the_processor_has_no_instructions_for_it(monkeypatch):
    monkeypatch.setattr(chip, "has_bf16", lambda: False)
    left = {arm for *_, arm in plan(["score", "train"], 1)}
    assert left == {arm for part in PARTS.values() for arm in part if not arm.endswith(BF16)} != set()
    assert any(arm.endswith(BF16) for arm in PARTS["score"])


@pytest.fixture
def kept(tmp_path):
    found = Measured(tmp_path / "measured.json")
    for number, factor in enumerate((1.0, 2.0, 3.0)):
        for seconds, arm in ((1.0, "ours"), (2.0, "ONNX Runtime")):
            figures = {"cpu": seconds / factor, "tokens": 2000, "texts": 100, "rate": 6e10, "share": 0.7 / seconds}
            found.put(("score", number, 20, arm), figures)
    return found


def test_a_table_holds_medians_and_says_what_is_missing_and_short(kept, monkeypatch):
    monkeypatch.setattr(chip, "has_bf16", lambda: False)
    said = text(Measured(kept.file), 1, "nobody asked.")
    assert "| 20 | ours | 3 | 4,000 (2,000 to 6,000) | 1.00 (1.00 to 1.00) | 70 (70 to 70) % |  |" in said
    assert "| 20 | ONNX Runtime | 3 | 2,000 (1,000 to 3,000) | 0.50 (0.50 to 0.50) | 35 (35 to 35) % |  |" in said
    assert "**Training**: not measured yet." in said and "transformers.pipeline | 0 | not measured" in said
    assert "Short of it, in points: scoring at 20 by 10." in said
    assert "bf16: not measured" in said


def test_a_run_that_was_ended_goes_on_with_what_is_missing(kept, monkeypatch):
    monkeypatch.setattr(measuring, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("something was measured"))
    measure(kept, [], {}, 1, 5.0)
    measure(kept, [("score", 3, 20, "ours")], {}, 1, -1.0)
    again = Measured(kept.file)
    assert again.all == kept.all and again.get(("score", 3, 20, "ours")) is None
    assert len(again.rounds("score", 20, "ours")) == 3


@pytest.mark.proof
def test_texts_are_near_the_length_asked_for_and_counted_in_full():
    found = sample(130)
    tokens = checkpoint.tokenizer(source())
    tokens.model_max_length = 512
    ids, cut = checkpoint.token_ids(tokens, found.scored)
    assert not cut and sum(map(len, ids)) == found.tokens
    assert all(65 <= len(row) <= 195 for row in [*ids, *found.ids])
