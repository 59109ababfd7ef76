"""The benchmarks of the fine-tuning: what they draw and what they conclude."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from transformers import BertConfig

from bench.finetune import arms as arms
from bench.finetune import gpu as bench_gpu
from bench.finetune import parts as bench
from bench.finetune import table as table
from bench.finetune.reach import time_to
from bench.finetune.sets import drawn, fetched, half, mails
from tasks.core.errors import UserError
from tests.support.processes import process_id


def test_no_text_is_in_two_parts_of_a_draw():
    rows = [(f"text {i % 90}", "ab"[i % 2]) for i in range(100)]
    found = drawn(rows, 40, 20, 30, seed=1)
    texts = found.train.texts + found.validation.texts + found.test.texts
    assert len(texts) == len(set(texts)) == 90
    assert found.labels == ["a", "b"]
    named = dict(rows)
    assert all(
        named[text] == found.labels[label] for text, label in zip(found.test.texts, found.test.labels, strict=True)
    )
    other = drawn(rows, 40, 20, 30, seed=2)
    assert other.train.texts != found.train.texts and other.test == found.test


def test_the_mails_are_the_sample():
    assert {label for _, label in mails()} == {"ham", "spam"}


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"other")
    with pytest.raises(UserError, match="its sha256 differs"):
        fetched(("x==1", "x.zip", []), "0" * 64, tmp_path)


def said(truth, right, seed):
    random = np.random.default_rng(seed)
    return np.where(random.random(len(truth)) < right, truth, 1 - truth).tolist()


TRUTH = np.random.default_rng(0).integers(0, 2, 400)


def scored(right, seed=1):
    return {"f1": right, "truth": TRUTH.tolist(), "predicted": said(TRUTH, right, seed)}


@pytest.fixture
def results(tmp_path):
    found = bench.Results(tmp_path / "finetune.json")
    for what in bench.SETTINGS:
        found.put("choose", "mails", 0, what, {"f1": 0.9 if what == "1e-4, no dropout" else 0.8})
    found.put("choose", "news", 0, "2e-4, no dropout", {"f1": 0.9})  # where the others were not tried: does not count
    for what, looks in zip(bench.QUICK, ([[5.0, 0.8], [9.0, 0.9]], [[3.0, 0.898]], [[1.0, 0.7]]), strict=True):
        found.put("choose", "mails", 0, what, {"looks": looks})
    for draw, factor in enumerate((1.0, 2.0)):
        found.put("train", "mails", draw, "probe", {"rate": 1e11, "tokens_a_text": 120, "flops_a_text": 10**9})
        for arm, rate in zip("abcd", (10, 20, 40, 60), strict=True):
            found.put("train", "mails", draw, arm, {"texts_a_second": rate * factor} | scored(0.8, draw))
    for draw, seconds in enumerate((10.0, None)):
        times = {"seconds": seconds, "target": 0.8, "textbook": 60.0, "best": 0.7, "how": "so"}
        found.put("time", "mails", draw, "time", times)
    return found


def test_the_tables_hold_what_was_measured_and_say_what_fell_short(results):
    text = table.text(results)
    assert re.search(r"\(d\) \| 2 \| 90\.0 \(60\.0 to 120\.0\) \| 6\.00 .*\| 1\.50 ", text)
    assert re.search(r"\| 90 \(60 to 120\) % of 100 .*GFLOP/s \(all: 1\d\d \(", text)
    assert "1/6.0 of 60 s" in text
    assert "not reached in 1 of 2, by 10.0 points" in text and "asked: 1/3" in text
    assert not re.search(r"^\| sentences ", text, re.M), "nothing was measured on it"


def test_settings_are_chosen_by_the_rows_to_choose_on(results):
    assert bench.settings(results) == "1e-4, no dropout"
    assert bench.quick(results, "mails") == list(bench.QUICK)[1], "within half a point of the best, and earlier"


def test_a_run_that_was_ended_goes_on_where_it_was(results):
    again = bench.Results(results.file)
    done = [key for key in bench.plan(list(bench.PARTS), 2) if again.get(*key) is not None]
    assert {key[1] for key in done if key[0] != "choose"} == {"mails"}
    assert len(done) == len(bench.SETTINGS) + len(bench.QUICK) + 1 + 2 * 5 + 2
    assert [key[3] for key in bench.plan(["train"], 3)][-5:] == ["probe", *"abcd"], "in turns: every draw has all arms"


@pytest.mark.long
@pytest.mark.slow
def test_every_arm_is_measured_in_a_process_of_its_own(results, monkeypatch):
    monkeypatch.setattr(bench, "one", process_id)  # its module is quickly imported
    keys = [("train", "mails", 7, arm) for arm in "aba"]
    bench.measure(results, keys, minutes=60)
    ids = [results.get(*key)["process"] for key in keys]
    assert ids[0] == ids[2] != ids[1] and os.getpid() not in ids


def test_settings_and_figures_come_from_other_texts():
    rows = [(f"text {i % 90}", "ab"[i % 2]) for i in range(100)]
    here, there = ({text for text, _ in half(rows, choosing)} for choosing in (False, True))
    assert len(here) == len(there) == 45 and not here & there


def test_the_difference_has_an_interval_that_covers_it():
    pairs = {right: [(scored(0.8, draw), scored(right, 9 + draw)) for draw in range(2)] for right in (0.8, 0.95)}
    same, (low, high) = table.difference(pairs[0.8])
    better, (floor, ceiling) = table.difference(pairs[0.95])
    assert low < 0 < high and low < same < high
    assert 0.05 < floor < better < ceiling
    each = [table.difference([pair])[0] for pair in pairs[0.95]]
    assert better == pytest.approx(np.mean(each)), "the mean over the draws"


@pytest.mark.slow
def test_the_looks_at_the_test_rows_see_the_training_they_time():
    rows = [(f"{'good' if i % 2 else 'bad'} text {i}", "ab"[i % 2]) for i in range(40)]
    data = arms.tokenized(drawn(rows, 24, 4, 12, seed=0))
    how = {"frozen_layers": 5, "learning_rate": 1e-3, "dropout": 0.0, "epochs": 2}
    never, seen = time_to(2.0, data, 0, how, looks=1)
    assert never is None and len(seen) == 2 and seen[0][0] < seen[1][0]
    reached, again = time_to(seen[0][1], data, 0, how, looks=1)
    assert reached == again[0][0] and again[0][1] == seen[0][1]


@pytest.mark.slow
def test_the_measurement_for_a_gpu_runs_at_small_size():
    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    found = bench_gpu.measure({bench_gpu.BASE: config, bench_gpu.MINILM: config}, 64, 1)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(bench_gpu.ASKED, 1)
    assert all(values[0] > 0 for values in found.values())
    assert "not measured" not in bench_gpu.text(found, "a CPU")


def test_without_a_gpu_the_table_has_the_targets_beside_empty_cells():
    said = bench_gpu.text({}, "not measured yet")
    assert "| training a BERT-base, share of the peak |  | ≥ 0.45 |" in said
    assert said.count("|  | ≥ ") == sum(asked is not None for asked in bench_gpu.ASKED.values())


LACKING = """
import sys
for name in "codecarbon datasets dvc dvclive evidently great_expectations prefect scipy sklearn".split():
    sys.modules[name] = None  # importing it fails
from transformers import BertConfig
from bench.finetune import gpu
config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
print(all(gpu.measure({gpu.BASE: config, gpu.MINILM: config}, 64, 1).values()))
"""


@pytest.mark.long
def test_the_path_for_a_gpu_asks_for_no_package_that_its_machine_may_lack():
    done = subprocess.run([sys.executable, "-c", LACKING], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["True"], done.stdout + done.stderr
