"""On another kind of processor a model's figures may differ as far as is stated; on the same kind no byte may."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.runs import tolerance, verify
from flows.runs.record import LockedStage
from flows.runs.run_record import Device
from flows.runs.tolerance import ROWS, STATED, TOLERANCES
from flows.runs.verify import Comparison, Difference

HERE = Device(cpu="AMD EPYC, AVX2", threads=2, gpus=())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (HERE, True),
        (HERE.model_copy(update={"threads": 64, "precision": "fp32"}), True),
        (HERE.model_copy(update={"cpu": "AMD EPYC"}), True),  # as an earlier release recorded it
        (HERE.model_copy(update={"cpu": "AMD EPYC, AVX512"}), False),
        (HERE.model_copy(update={"cpu": "Intel Xeon, AVX2"}), False),
        (HERE.model_copy(update={"gpus": ("NVIDIA H100, 550",)}), False),
    ],
)
def test_a_kind_is_the_processor_its_instructions_and_the_gpus(other, same):
    assert HERE.same_kind(other) == same == other.same_kind(HERE)


@pytest.mark.proof
@given(st.sampled_from(sorted(TOLERANCES)), st.integers(1, 10_000), st.floats(0, 0.99), st.sampled_from([-1, 1]))
def test_a_figure_is_near_up_to_the_stated_difference_and_not_beyond(name, rows, share, sign):
    then = {"rows": rows, "drifted": False, name: 0.5}
    most = TOLERANCES[name] + ROWS / rows
    assert not list(tolerance.beyond(then, then | {name: 0.5 + sign * share * most}))
    far = 0.5 + sign * 1.01 * most
    assert list(tolerance.beyond(then, then | {name: far})) == [(name, "0.5", str(far))]
    assert f"{name} {TOLERANCES[name]:g}" in STATED


def test_another_verdict_or_a_figure_that_is_gone_is_beyond():
    then = {"rows": 10_000, "drifted": True, "accuracy": 0.9}
    assert list(tolerance.beyond(then, then | {"drifted": None})) == [("drifted", "True", "None")]
    assert list(tolerance.beyond(then, {"drifted": True})) == [("accuracy", "0.9", "None")]


def test_a_watched_window_is_of_the_kind_that_its_champion_was_trained_on_too(monkeypatch):
    trained = HERE.model_copy(update={"gpus": ("NVIDIA H100, 550",)})
    champion = SimpleNamespace(commit="c1")
    run = SimpleNamespace(device=HERE, watched=SimpleNamespace(champion=champion))
    monkeypatch.setattr(verify.record, "known", lambda _, commit: commit if commit == "c1" else None)
    monkeypatch.setattr(verify.record, "read_record", lambda _, __: SimpleNamespace(device=trained))
    home = SimpleNamespace(origin=None)
    assert list(verify.devices(home, run)) == [HERE, trained]
    champion.commit = "c2"  # promoted without a run: no record says where it was trained
    assert list(verify.devices(home, run)) == [HERE]


class Dag:
    def after(self, name):
        return {"finetune": ["finetune", "score"], "split": ["split", "finetune", "score"]}[name]


def test_bytes_are_promised_of_what_no_model_was_needed_for():
    known = {
        "split": LockedStage({}, {"data/splits": "1"}),
        "finetune": LockedStage({}, {"models/classifier": "1"}),
        "score": LockedStage({}, {"data/current/scored.parquet": "1"}),
    }
    assert tolerance.of_models(Dag(), known) == {"finetune", "score"}


def test_of_what_differs_on_another_kind_only_what_the_processor_does_not_explain_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    made = {"models/classifier", "reports/index.html", "metrics/evaluate.json"}
    found = [Difference("x", path, "1", "2") for path in ("data/splits", *sorted(made))]
    monkeypatch.setattr(verify, "git", lambda *_: json.dumps({"rows": 1000, "accuracy": 0.9}))

    def told(accuracy):
        (tmp_path / "metrics/evaluate.json").write_text(json.dumps({"rows": 1000, "accuracy": accuracy}))
        return [one.path for one in verify.beyond(found, made, tmp_path, Past)]

    assert told(0.91) == ["data/splits"]
    assert told(0.95) == ["data/splits", "metrics/evaluate.json: accuracy"]


class Past:
    commit = "0" * 40


def test_the_line_says_whether_bytes_or_figures_were_compared_and_how_far_they_may_differ():
    notes = ["it ran on AMD EPYC, AVX512, this is AMD EPYC, AVX2"]
    assert str(Comparison("r", 9, [], notes)) == "r: same bytes (9 outputs)"
    near = str(Comparison("r", 9, [], notes, other_kind=True)).splitlines()
    assert STATED in near[0] and "another kind of processor" in near[0] and notes[0] in near[1]
    far = [Difference("evaluate", "metrics/evaluate.json: accuracy", "0.9", "0.5")]
    assert STATED in str(Comparison("r", 9, far, notes, other_kind=True)).splitlines()[0]
    assert STATED not in str(Comparison("r", 9, far, notes))
