"""What a replay of policies may not do: see the future, decide by other rules than monitoring, or work twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from flows.backtest import page
from flows.backtest.flow import backtest, refits
from flows.backtest.history import History, closed_windows, refuse_one_class
from flows.backtest.probe import Probes, Settings, embedded
from flows.backtest.replay import (
    ResultCache,
    Training,
    WindowResult,
    cost,
    cost_difference,
    facts,
    replay_policy,
    summary,
)
from flows.machine.home import Home
from flows.parameters import Policy, Prices, RefitOn, Replay, Window
from flows.runs.metrics import DriftVerdict
from flows.windows import ranges
from flows.windows.policy import decide
from flows.windows.ranges import as_utc
from tasks import drift, gate, split, tokenize
from tasks.core.errors import UserError
from tasks.core.params import General, Model
from tasks.dataset.windows import Windows
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY

WEEK = ranges.TimeRange(as_utc("2026-01-01"), as_utc("2026-01-08"))
WEEKS = [WEEK, *(WEEK.same_length_from(as_utc(f"2026-01-{day:02}")) for day in (8, 15, 22))]


class Scripted:
    """Models that answer by a script: each is right on rows of the weeks it was trained on."""

    def __init__(self, promote=True):
        self.promote, self.trained = promote, []

    def train(self, until):
        self.trained.append(until)
        return Training(100, 1.5)

    def evaluate(self, until, window):
        age = (window.until - until).days // 7
        right = "1" * (10 - 2 * age) + "0" * (2 * age)
        performance = {"reference_accuracy": 0.9, "estimated_accuracy": 0.9 - age / 10}
        drift = {"drifted": age > 1, "reason": "words", "performance": performance}
        return WindowResult(10, right, 0.5, drift)

    def gate(self, champion, challenger):
        return self.promote, "the gate's words"


def replayed(tmp_path, policy, models=None, labels="late", **rules):
    kept = ResultCache(models or Scripted(), tmp_path)
    return replay_policy(kept, WEEKS, Policy(refit_on=policy, every_days=7, cooldown_days=7, **rules), labels), kept


def test_who_is_promoted_answers_the_next_window_and_nothing_is_refitted_after_the_last(tmp_path):
    steps, _ = replayed(tmp_path / "a", "schedule")
    assert [step.trained_until for step in steps] == [window.since for window in WEEKS]
    assert [bool(step.refit) for step in steps] == [True, True, True, False]
    assert "not done after the last window" in steps[-1].decision.reasons
    refused, kept = replayed(tmp_path / "b", "schedule", Scripted(promote=False))
    assert {step.trained_until for step in refused} == {WEEKS[0].since}
    assert len(kept.models.trained) == 3
    never, _ = replayed(tmp_path / "c", "never")
    assert [step.result.right for step in never] == [step.result.right for step in refused]


@pytest.mark.parametrize("labels", ["late", "at_once"])
@pytest.mark.parametrize("policy", ["never", "schedule", "alarm", "harmful", "unusual", "estimated_loss"])
def test_the_decisions_are_those_of_the_policy_on_what_is_known_then(tmp_path, policy, labels):
    steps, _ = replayed(tmp_path, policy, labels=labels, tolerated_loss=0.15)
    tried = None
    for step in steps[:-1]:
        known = facts(step.result, step.verdict, step.window, step.trained_until, tried, labels)
        assert (
            decide(Policy(refit_on=policy, every_days=7, cooldown_days=7, tolerated_loss=0.15), known) == step.decision
        )
        assert known.accuracy_now == (
            step.result.accuracy if labels == "at_once" else step.result.verdict.performance.estimated_accuracy
        )
        tried = step.window.until if step.refit else tried


def test_accuracy_is_weighted_by_rows_and_the_difference_is_paired(tmp_path):
    never, _ = replayed(tmp_path / "a", "never")
    weekly, _ = replayed(tmp_path / "b", "schedule")
    base, one = summary(Policy(), never, never), summary(Policy(refit_on="schedule"), weekly, never)
    assert base.accuracy == (8 + 6 + 4 + 2) / 40
    assert (base.difference, base.difference_interval) == (0, (0, 0))
    assert one.difference == pytest.approx(one.accuracy - base.accuracy)
    assert (one.refits, one.promoted, one.trained_rows, one.seconds) == (3, 3, 300, 4.5)
    heavy = [replace(never[0], result=replace(never[0].result, right="1" * 990 + "0" * 10)), *never[1:]]
    assert summary(Policy(), heavy, heavy).accuracy == (990 + 6 + 4 + 2) / 1030


def test_prices_rank_policies_and_say_what_chance_explains(tmp_path):
    never, _ = replayed(tmp_path / "a", "never")
    weekly, _ = replayed(tmp_path / "b", "schedule")
    rules = [Policy(), Policy(refit_on="schedule")]
    base, one = summary(rules[0], never, never), summary(rules[1], weekly, never)
    assert (base.labels, one.labels, one.rows) == (0, 30, 40)  # no refit after the last window, so no label for one
    prices = Prices(wrong_answer=2, label=0.1, core_hour=800, review=5)
    wrong = 40 * (1 - one.accuracy)
    assert cost(one, prices) == pytest.approx(2 * wrong + 3 + 1 + 15)
    assert cost(base, prices) == pytest.approx(2 * 20)
    more, least, most = cost_difference(one, base, prices)
    assert more == pytest.approx(cost(one, prices) - cost(base, prices)) and least < more < most
    assert most - more == pytest.approx(2 * 40 * (one.difference_interval[1] - one.difference))
    found = page.Replayed("x", "how", rules, {"never": never, "schedule": weekly}, 5, Prices(wrong_answer=100))
    assert "schedule, every 28 days costs least; for monitoring in prefect.yaml:" in page.advice(found)
    assert "  refit_on: schedule" in page.advice(found).splitlines()
    assert "more than never" in page.markdown(found)
    dear = replace(found, prices=Prices(wrong_answer=0.01, review=1000))
    assert "never, the first policy, costs least" in page.advice(dear)
    assert page.advice(replace(found, prices=None)) == ""


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (("0000011111", "1111111111"), "schedule, every 28 days served best: 50.0 points of accuracy more than never"),
        (("0111111111", "1111111111"), "no policy is shown to serve better than never"),
        (("1111111111", "0111111111"), "never served best: no other policy was more accurate"),
    ],
)
def test_the_title_is_the_answer_and_chance_is_no_answer(tmp_path, right, said):
    steps, _ = replayed(tmp_path, "never")
    rules = [Policy(), Policy(refit_on="schedule")]
    of = {
        rule.refit_on: [replace(steps[0], result=replace(steps[0].result, rows=10, right=its))]
        for rule, its in zip(rules, right, strict=True)
    }
    found = page.Replayed("x", "how", rules, of, 5)
    assert page.answer(found).startswith(said)
    assert f"<h1>{said[0].upper()}{said[1:]}" in page.page(found)


def test_every_policy_has_its_colour_in_both_schemes():
    template = (Path(page.__file__).parent / page.TEMPLATE).read_text(encoding="utf-8")
    assert set(page.COLOURS) == set(get_args(RefitOn))
    for colour in page.COLOURS.values():
        assert template.count(f"{colour.removeprefix('var(').removesuffix(')')}: #") == 2


def test_what_is_finished_is_not_done_again_by_whichever_policy(tmp_path):
    _, first = replayed(tmp_path, "schedule")
    _, second = replayed(tmp_path, "alarm")
    assert first.computed == 10  # four looks, three trainings, three judgements
    assert second.computed <= 4
    _, again = replayed(tmp_path, "schedule")
    assert again.computed == 0


def test_a_window_of_one_class_or_none_says_so_and_text_stays_text(tmp_path):
    steps, _ = replayed(tmp_path, "never")
    verdict = DriftVerdict(drifted=None, reason="")
    one_class = WindowResult.of(3, ["ham"] * 3, ["ham", "ham", "spam"], verdict)
    assert (one_class.macro_f1, one_class.accuracy) == (None, 2 / 3)
    assert WindowResult.of(2, ["ham", "spam"], ["ham", "spam"], verdict).macro_f1 == 1
    low, high = one_class.interval
    assert low < 2 / 3 < high
    steps[0] = replace(steps[0], result=one_class)
    steps[1] = replace(steps[1], result=WindowResult.of(0, [], [], verdict))
    found = page.Replayed("<script>alert(1)</script>", "how", [Policy()], {"never": steps}, 5)
    text = page.page(found)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "one class only: no macro-F1" in text and "no row with a label" in text
    assert page.markdown(found).splitlines()[2].startswith("| never | ")


def table(rows=400, seed=0):
    """A history of five weeks in which the labels' share moves, with embeddings that tell the labels apart."""
    rng = np.random.default_rng(seed)
    spam = rng.random(rows) < np.linspace(0.2, 0.8, rows)
    times = np.datetime64("2025-12-25", "us") + (np.arange(rows) * (35 * 86_400 // rows)).astype("timedelta64[s]")
    columns = {
        "id": [f"{i:04}" for i in range(rows)],
        "text": [f"mail {i}" for i in range(rows)],
        "label": np.where(spam, "spam", "ham").tolist(),
        "timestamp": pa.array(times, pa.timestamp("us", "UTC")),
    }
    return pa.table(columns), (rng.standard_normal((rows, 4)) + 2 * spam[:, None]).astype(np.float32)


def probes(rows, embeddings, labels="late"):
    settings = Settings(
        General(model=Model(name="x")),
        split.Params(similarity=None),
        tokenize.Params(),
        drift.Params(permutations=99),
        gate.Params(rule="not_worse", max_calibration_error=None),
    )
    return Probes(History(rows, Windows()), settings, embeddings, labels)


@pytest.mark.proof
def test_a_probe_sees_nothing_of_what_comes_later():
    rows, embeddings = table()
    later = np.flatnonzero(rows["timestamp"].cast(pa.timestamp("us")).to_numpy() >= np.datetime64("2026-01-15"))
    labels = rows["label"].to_pylist()
    for place in later:
        labels[place] = "spam" if labels[place] == "ham" else "ham"
    turned = rows.set_column(2, "label", pa.array(labels))
    other = embeddings.copy()
    other[later] *= -3
    found = []
    for one in (probes(rows, embeddings), probes(turned, other)):
        looks = [one.evaluate(WEEKS[0].since, window) for window in WEEKS[:2]]
        trained = one.train(WEEKS[1].until)
        found.append((*(asdict(look) for look in looks), trained.rows, one.gate(WEEKS[0].since, WEEKS[1].until)))
    assert found[0] == found[1]
    assert probes(rows, embeddings).evaluate(WEEKS[0].since, WEEKS[3]) != probes(turned, other).evaluate(
        WEEKS[0].since, WEEKS[3]
    )


def test_late_labels_are_not_seen_by_the_verdict():
    rows, embeddings = table()
    labels = np.array(rows["label"].to_pylist(), object)
    window = ranges.TimeRange(as_utc("2026-01-08"), as_utc("2026-01-15"))
    inside = History(rows, Windows()).within(window)
    labels[inside] = np.random.default_rng(1).permutation(labels[inside])
    mixed = rows.set_column(2, "label", pa.array(labels.tolist()))
    late, mixed_late = (probes(one, embeddings).evaluate(WEEKS[0].since, window) for one in (rows, mixed))
    assert late.drift == mixed_late.drift
    assert late.right != mixed_late.right


def test_windows_follow_one_another_while_they_have_closed_and_what_cannot_be_replayed_is_refused():
    rows, _ = table()
    windows = Windows.model_validate(
        {"reference": {"until": "2026-01-01"}, "current": {"from": "2026-01-01", "until": "2026-01-08"}}
    )
    found = History(rows, windows)
    assert closed_windows(found, None, None, None) == WEEKS[:3]
    assert closed_windows(found, as_utc("2026-01-08"), as_utc("2026-01-29"), 7) == WEEKS[1:]
    with pytest.raises(UserError, match="no window closes by 2026-01-03"):
        closed_windows(found, None, as_utc("2026-01-03"), None)
    with pytest.raises(UserError, match="name --since and --days"):
        closed_windows(History(rows, Windows()), None, None, None)
    with pytest.raises(UserError, match="there is no row to learn from"):
        refuse_one_class(found, ranges.TimeRange(as_utc("2025-01-01"), as_utc("2025-01-08")))
    one = rows.set_column(2, "label", pa.array(["ham"] * len(rows)))
    with pytest.raises(UserError, match="only 'ham' to learn from"):
        refuse_one_class(History(one, windows), WEEKS[0])
    with pytest.raises(UserError, match="only --refit full can replay a history of images"):
        embedded(History(rows.rename_columns({"text": "image"}), windows), None, None)


@pytest.fixture
def home(tmp_path_factory, api, tiny_checkpoint, monkeypatch):
    """The home of the small repository."""
    folder = tmp_path_factory.mktemp("history") / "repository"
    folder.mkdir()
    for name, value in tiny_pipeline.environment(IDENTITY).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    tiny_pipeline.make_weeks(folder, tiny_checkpoint)
    return Home.of(folder)


WEEKLY, TWO = Policy(every_days=7, cooldown_days=7), Replay(policies=["never", "schedule"])
KILLED = """
import os, signal, sys
from flows.backtest.replay import ResultCache
once = ResultCache.cached
def dying(self, *given):
    if self.computed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return once(self, *given)
ResultCache.cached = dying
from flows.backtest.flow import backtest
from flows.parameters import Policy, Replay
policy, replay = Policy(every_days=7, cooldown_days=7), Replay(policies=["never", "schedule"])
backtest(sys.argv[1], policy=policy, replay=replay)
"""


def figures_of(folder):
    """What the backtest says of each policy, but for the time it took."""
    said = json.loads((folder / "reports" / "backtest.json").read_text())
    for step in (step for of in said["windows"].values() for step in of):
        (step["refit"] or {}).pop("seconds", None)
    return {policy: {**one, "seconds": 0} for policy, one in said["policies"].items()}, said["windows"]


def kept(home):
    return {file: file.stat().st_mtime_ns for file in (home.folder / "backtests").glob("*/*-2026*.json")}


@pytest.mark.long
@pytest.mark.slow
def test_a_backtest_that_was_killed_goes_on_where_it_was_and_ends_in_the_same_figures(home, monkeypatch, tmp_path):
    command = [sys.executable, "-c", KILLED, str(home.origin)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], env=os.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = kept(home)
    assert len(before) == 3
    state = backtest(str(home.origin), policy=WEEKLY, replay=TWO, return_state=True)
    assert state.is_completed(), state.message
    after = kept(home)
    assert {file: after[file] for file in before} == before
    assert f"{len(after) - 3} results were computed" in state.message
    figures = figures_of(home.origin)
    assert [step["macro_f1"] is None for step in figures[1]["never"]] == [False, True]  # no ham in week four
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    state = backtest(str(home.origin), policy=WEEKLY, replay=TWO, return_state=True)
    assert f"{len(after)} results were computed" in state.message
    assert figures_of(home.origin) == figures


@pytest.mark.parametrize(
    ("asked", "model", "found"),
    [("auto", "{name: x}", "probe"), ("auto", "{}", "full"), ("full", "{name: x}", "full"), ("probe", "{}", "probe")],
)
def test_a_probe_is_the_default_only_where_there_is_an_encoder(tmp_path, asked, model, found):
    (tmp_path / "params.yaml").write_text(f"model: {model}\n")
    assert refits(Replay(refit=asked), tmp_path / "params.yaml") == found


def test_labels_with_an_order_are_replayed_and_several_to_a_row_are_not(tmp_path):
    (tmp_path / "params.yaml").write_text("task: ordinal\n")
    assert refits(Replay(refit="full"), tmp_path / "params.yaml") == "full"
    (tmp_path / "params.yaml").write_text("task: multi_label\n")
    with pytest.raises(UserError, match="a history of task: multi_label is not replayed yet"):
        refits(Replay(refit="full"), tmp_path / "params.yaml")


@pytest.mark.long
@pytest.mark.slow
def test_full_refits_are_the_pipelines_own_and_late_labels_stay_hidden(home):
    window, replay = Window(until="2026-01-29"), Replay(policies=["schedule"], refit="full")
    state = backtest(str(home.origin), window, WEEKLY, replay, return_state=True)
    assert state.is_completed(), state.message
    _, windows = figures_of(home.origin)
    first, second = windows["schedule"]
    assert first["refit"]["promoted"] and first["refit"]["rows"] == 420  # half of three weeks
    assert second["trained_until"].startswith("2026-01-22")
    assert "0 labels seen" in first["drift"]["reason"] and second["accuracy"] is not None
    assert not list((home.folder / "backtests" / "models").glob("*"))
