"""The benchmarks of the fine-tuning: what they draw, what they conclude, and that a killed training really is one."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from transformers import BertConfig

from bench import finetune as bench
from bench import finetune_gpu as bench_gpu
from bench.finetune_sets import drawn, fetched, mails
from tasks.errors import Refused


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
    assert drawn(rows, 40, 20, 30, seed=2).train.texts != found.train.texts


def test_the_mails_are_the_sample():
    assert {label for _, label in mails()} == {"ham", "spam"}


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"other")
    with pytest.raises(Refused, match="its sha256 differs"):
        fetched(("x==1", "x.zip", []), "0" * 64, tmp_path)


def draw(seconds, quick, seed=0, right=(0.8, 0.8)):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, 400)
    said = [np.where(random.random(400) < share, truth, 1 - truth).tolist() for share in right]
    arms = {
        arm: {"seconds": s, "predicted": said[arm == "d"], "f1": 0.8} for arm, s in zip("abcd", seconds, strict=True)
    }
    probe = {"rate": 1e11, "tokens": 3200, "flops": 10**12, "truth": truth.tolist()}
    return arms | {"probe": probe, "time": {"seconds": quick, "target": 0.8, "best": 0.7}}


@pytest.fixture
def results(tmp_path):
    found = bench.Results(tmp_path / "finetune.json", bench.Size(320, 32, 240))
    for seed, quick in enumerate((10.0, None)):
        found.of("mails", seed).update(draw((120, 60, 45, 30), quick, seed))
    return found


def test_the_tables_hold_what_was_measured_and_say_what_was_not(results):
    text = bench.text(results, 2)
    assert re.search(r"\(d\) \| 32\.0 .*\| 4\.00 .*\| 1\.50 ", text), "960 texts in 30 s, beside 120 s and 45 s"
    assert "1/12.0 of (a)'s" in text and "not reached in 1 of 2, by 10.0 points" in text and "asked: 1/3" in text
    assert "| mails | 100 (100 to 100) % of 100 (100 to 100) GFLOP/s" in text
    assert "GPU: not measured here" in text
    assert "| sentences |" not in text, "nothing was measured on it"


def test_a_run_that_was_ended_goes_on_where_it_was(results):
    results.save()
    again = bench.Results(results.file, results.size)
    assert ("mails" not in {name for _, name, _ in bench.missing(again, 2)}) and bench.missing(again, 3)
    assert bench.missing(bench.Results(results.file, bench.Size(1, 1, 1)), 1)[0] == (0, "sentences", "probe")


def test_the_difference_has_an_interval_that_covers_it():
    same, (low, high) = bench.difference([draw((1, 1, 1, 1), 1, right=(0.8, 0.8))])
    better, (floor, ceiling) = bench.difference([draw((1, 1, 1, 1), 1, right=(0.6, 0.9))])
    assert low < same < high and floor < better < ceiling
    assert low < 0 < high and floor > 0.1


@pytest.mark.slow
def test_killed_by_sigkill_and_continued_it_ends_in_the_same_weights():
    command = [sys.executable, "-m", "bench.kills", "--kills", "2", "--epochs", "6", "--workers", "1", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(r"same weights \(sha256\) once continued \| 2 of 2 \|", done.stdout), done.stdout + done.stderr


def test_the_measurement_for_a_gpu_runs_at_small_size(monkeypatch):
    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    for name in ("SOURCE", "EPOCHS"):
        monkeypatch.setattr(bench_gpu.arms, name, getattr(bench_gpu.arms, name))  # put back after it
    found = bench_gpu.measure(config, 64, 1)
    assert {name: len(values) for name, values in found.items()} == {"a": 1, "c": 1, "d": 1, "share": 1}
    assert "| (d) over (c) |" in bench_gpu.text(found, "a CPU")
