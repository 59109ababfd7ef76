"""The benchmarks of the families: what is laid over a preset, kept, set beside it, and concluded."""

from __future__ import annotations

import math
import stat
import time

import numpy as np
import pyarrow as pa
import pytest

from bench.families import __main__ as families
from bench.families import domain_pretraining as domain
from bench.families import peers as family_peers
from bench.families import runs as family_runs
from bench.families.peers import PENALTIES, milliseconds, peers

WORDS = {"ham": ["meeting", "patch", "kernel", "thanks"], "spam": ["winner", "credit", "click", "free"]}


def mails(count, seed):
    random = np.random.default_rng(seed)
    labels = random.choice(["ham", "spam"], count)
    noise = [" ".join(random.choice(["the", "a", "of", "to"], 5)) for _ in range(count)]
    texts = [f"{random.choice(WORDS[label])} {rest}" for label, rest in zip(labels, noise, strict=True)]
    return pa.table({"text": texts, "label": labels.tolist()})


@pytest.fixture
def top(tmp_path, monkeypatch):
    (tmp_path / "presets").mkdir()
    monkeypatch.setattr(family_runs, "TOP", tmp_path)
    monkeypatch.setattr(family_runs, "FOLDER", tmp_path / "kept")
    return tmp_path


@pytest.fixture
def dvc(tmp_path, monkeypatch):
    """A ``dvc`` that does what the test says."""

    def write(script):
        file = tmp_path / "bin" / "dvc"
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(file.parent), prepend=":")
        monkeypatch.setattr(family_runs, "CLONE", tmp_path)

    return write


def test_a_preset_of_texts_gets_the_mails_and_one_of_images_keeps_its_own_data(top):
    (top / "presets/words.yaml").write_text("finetune: {epochs: 2}\n")
    (top / "presets/pictures.yaml").write_text("ingest: {source: data/pictures}\n")
    texts = family_runs.overlay("words", 1, {"finetune": {"epochs": 1}})
    assert texts["ingest"] == {"source": family_runs.MAILS}
    assert texts["finetune"] == {"threads": 1, "epochs": 1}
    pictures = family_runs.overlay("pictures", 2, {})
    assert "ingest" not in pictures and "split" not in pictures and pictures["score"] == {"threads": 2}


@pytest.mark.proof
def test_the_mails_are_so_many_of_before_september_and_the_same_each_time():
    drawn = family_runs.drawn(50, seed=3)
    assert len(drawn) == len(set(drawn["id"].to_pylist())) == 50
    assert max(drawn["received_at"].to_pylist()).month < 9
    assert drawn.equals(family_runs.drawn(50, seed=3)) and not drawn.equals(family_runs.drawn(50, seed=4))


def test_a_record_counts_for_its_preset_alone(top):
    preset = top / "presets/words.yaml"
    preset.write_text("finetune: {epochs: 2}\n")
    run = family_runs.Run("words", {"finetune": {"threads": 1}}, figures={"evaluate": {"macro_f1": 0.5}})
    run.spent["finetune"] = family_runs.Spent(3.0, 2.0)
    run.save()
    again = family_runs.Run("words", {"finetune": {"threads": 1}}).load()
    assert (again.figures, again.spent) == (run.figures, run.spent)
    family_runs.measure(again, until=-math.inf)  # nothing is left to do
    assert not family_runs.Run("words", {"finetune": {"threads": 2}}).load().figures
    preset.write_text("finetune: {epochs: 3}\n")
    assert not family_runs.Run("words", {"finetune": {"threads": 1}}).load().figures


@pytest.mark.proof
def test_a_stage_whose_time_is_up_is_interrupted_and_its_seconds_are_kept(dvc):
    dvc("trap 'touch left; exit 130' INT; touch begun; while true; do sleep 0.05; done")
    spent, saved = family_runs.Spent(wall=1.0), []
    with pytest.raises(family_runs.TimeIsUpError, match="finetune"):
        family_runs.repro("finetune", time.monotonic() + 1.5, spent=spent, save=lambda: saved.append(spent.wall))
    assert (family_runs.CLONE / "left").exists()  # it was asked, not killed
    assert saved == [spent.wall] and spent.wall > 2


def test_a_stage_that_fails_ends_the_bench(dvc):
    dvc("exit 1")
    with pytest.raises(SystemExit, match="dvc repro split failed"):
        family_runs.repro("split", math.inf)


def test_what_is_shortened_is_said(monkeypatch, top):
    monkeypatch.setattr(families, "TOP", top)
    (top / "presets/bert.yaml").write_text("finetune: {epochs: 10}\n")
    assert families.shortened("bert") == "finetune.epochs 3 of 10"
    assert families.shortened("default") == ""


def test_the_tuned_baseline_is_chosen_on_validation():
    tables = {"train": mails(60, 0), "validation": mails(60, 1), "test": mails(60, 2)}
    default, tuned = peers(tables, seed=0).values()
    assert default.model[-1].C == 1.0 and tuned.model[-1].C in PENALTIES
    assert default.macro_f1 == 1.0 and default.interval == [1.0, 1.0]  # a word of each text tells its label
    assert default.parameters == 2 * len(default.model[0].vocabulary_) + 1
    assert default.predict("winner").argmax() == 1


def test_models_take_turns_after_one_call_that_is_not_counted(monkeypatch):
    monkeypatch.setattr(family_peers, "TURN", 2)
    said = []
    found = milliseconds({"a": lambda x: said.append(("a", x)), "b": lambda x: said.append(("b", x))}, [1, 2, 3])
    assert "".join(name for name, _ in said) == "ab" + "aabb" + "ab"
    assert [one for name, one in said if name == "a"] == [1, 1, 2, 3]
    assert found.keys() == {"a", "b"} and min(found.values()) >= 0


def found_with(wrong):
    """Results of 40 rows, of which each arm has so many wrong in each seed."""
    truth = [i % 2 for i in range(40)]
    found = {"truth": truth}
    for seed, arm, count in domain.MEASURED:
        off = wrong[arm] + seed % 2
        found[domain.key_of(seed, arm, count)] = [1 - label if i < off else label for i, label in enumerate(truth)]
    return found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [((16, 0), "helps"), ((0, 16), "hurts"), ((4, 4), "cannot be told")],
)
def test_a_gain_is_said_only_where_both_intervals_show_it(wrong, said):
    found = found_with(dict(zip(domain.ARMS, wrong, strict=True)))
    scores, by_seeds, by_rows = domain.compared(found, 100)
    assert domain.verdict(by_seeds, by_rows) == said
    gain = np.subtract(scores[1], scores[0]).mean()
    assert by_seeds[0] <= gain <= by_seeds[1] and by_rows[0] <= gain <= by_rows[1]
    assert len(list(domain.lines(found))) == 2 + len(domain.LABELS)


def test_a_count_that_lacks_a_run_has_no_line():
    found = found_with(dict.fromkeys(domain.ARMS, 4))
    del found[domain.key_of(1, domain.ARMS[1], 300)]
    told = list(domain.lines(found))
    assert [line.split(" | ")[0] for line in told[2:]] == ["| 100", "| 1,000"]
