"""The gate: its level and its figures against naive ones, its rules, and what it refuses."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from tasks.core.cli import application, exit_code
from tasks.core.errors import UserError
from tasks.gate import Params
from tasks.gate.command import gate
from tasks.gate.difference import measure_difference
from tasks.gate.paired import pair_cells
from tasks.gate.tables import pair, read_predictions
from tasks.gate.verdict import MAX_REUSE, extra_columns, gate_verdict
from tasks.statistics.measures import interval

TOP = Path(__file__).parents[3]
LABELS = ["ham", "spam"]


def other(label):
    return LABELS[1 - LABELS.index(label)]


def table(truth, wrong, **more):
    """Predictions of the rows 0, 1, …, wrong in the rows named."""
    said = [other(label) if i in wrong else label for i, label in enumerate(truth)]
    return {"id": [f"r{i:04}" for i in range(len(truth))], "label": list(truth), "prediction": said, **more}


def verdict(champion, challenger, seed=1, earlier=(), **section):
    section = Params(**section)
    return gate_verdict(pair(champion, challenger, None, extra_columns(section)), section, seed, earlier)


@pytest.fixture
def truth():
    return [LABELS[i % 3 == 0] for i in range(300)]


def test_the_interval_is_that_of_drawing_rows():
    random = np.random.default_rng(1)
    truth = random.choice(["a", "b", "c"], 200, p=[0.6, 0.3, 0.1])
    said = [np.where(random.random(200) < skill, truth, random.choice(["a", "b", "c"], 200)) for skill in (0.7, 0.8)]
    found = measure_difference(pair_cells(truth, *said), 3, 2000)
    picks = random.integers(0, 200, (800, 200))
    assert f1(truth, said[1]) == pytest.approx(f1_score(truth, said[1], average="macro"))
    naive = np.array([f1(truth[p], said[1][p]) - f1(truth[p], said[0][p]) for p in picks])
    assert found.value == pytest.approx(f1(truth, said[1]) - f1(truth, said[0]))
    assert [found.low, found.high] == pytest.approx(interval(naive), abs=0.015)
    assert found.standard_error == pytest.approx(naive.std(), rel=0.1)


def f1(truth, said):
    """Macro-F1; scikit-learn's own, which takes a hundred times as long, is what it is held to below."""
    labels = np.union1d(truth, said)
    return np.mean(
        [2 * ((truth == one) & (said == one)).sum() / ((truth == one).sum() + (said == one).sum()) for one in labels]
    )


def test_the_chance_is_that_of_exchanging_answers_row_by_row():
    random = np.random.default_rng(2)
    truth = random.choice(LABELS, 60)
    said = np.array([np.where(random.random(60) < skill, truth, random.choice(LABELS, 60)) for skill in (0.6, 0.8)])
    found = measure_difference(pair_cells(truth, *said), 3, 4000)
    swaps = random.random((1500, 60)) < 0.5
    naive = [f1(truth, np.where(s, said[0], said[1])) - f1(truth, np.where(s, said[1], said[0])) for s in swaps]
    assert found.p_value == pytest.approx(np.mean(np.array(naive) >= found.value - 1e-12), abs=0.03)


def test_groups_are_drawn_and_exchanged_whole():
    """Every row five times, in one group: as sure as the rows once, not surer."""
    random = np.random.default_rng(4)
    truth = random.choice(LABELS, 100)
    said = [np.where(random.random(100) < skill, truth, random.choice(LABELS, 100)) for skill in (0.7, 0.9)]
    once = measure_difference(pair_cells(truth, *said), 1, 4000)
    five = [np.repeat(each, 5) for each in (truth, *said)]
    whole = measure_difference(pair_cells(*five, np.repeat(np.arange(100), 5)), 1, 4000)
    apart = measure_difference(pair_cells(*five), 1, 4000)
    assert whole.standard_error == pytest.approx(once.standard_error, rel=0.1)
    assert whole.p_value == pytest.approx(once.p_value, abs=0.01)
    assert apart.standard_error < 0.6 * once.standard_error
    alone = measure_difference(pair_cells(*five, [None] * 500), 1, 4000)
    assert alone.standard_error == pytest.approx(apart.standard_error, rel=0.1)


def test_exchanging_everything_turns_the_difference_around(truth):
    both = pair_cells(truth, table(truth, range(9))["prediction"], table(truth, range(7, 12))["prediction"])
    turned = both.swaps(np.random.default_rng(1), 5, share=1)
    assert turned == pytest.approx(np.full(5, -both.observed()))


@pytest.mark.parametrize("wins", range(1, 9))
def test_a_handful_of_better_answers_is_promoted_only_where_chance_would_not_do_it(truth, wins):
    """All differing answers for the challenger: the exact sign test says what that is worth."""
    found = verdict(table(truth, range(wins)), table(truth, []))
    assert found["promote"] == (binomtest(wins, wins, alternative="greater").pvalue <= found["level"])


def test_a_clearly_better_one_is_promoted_and_a_worse_one_not(truth):
    bad, good = table(truth, range(40)), table(truth, range(100, 105))
    assert verdict(bad, good)["promote"]
    assert not verdict(good, bad)["promote"]
    assert "not shown to be better" in verdict(good, bad)["reason"]


def test_not_worse_lets_an_equal_one_pass_and_a_worse_one_not(truth):
    champion, equal = table(truth, range(10)), table(truth, range(8, 18))
    assert not verdict(champion, equal)["promote"]
    assert verdict(champion, equal, rule="not_worse", margin=0.05)["promote"]
    assert not verdict(champion, equal, rule="not_worse", margin=0.01)["promote"]
    assert not verdict(champion, table(truth, range(40)), rule="not_worse", margin=0.05)["promote"]


def test_the_same_answers_are_not_better_but_not_worse(truth):
    one = table(truth, range(9))
    assert not verdict(one, one)["promote"]
    found = verdict(one, one, rule="not_worse")
    assert found["promote"]
    assert found["detectable_effect"]["difference"] is None
    assert "these rows show no difference" in found["reason"]


def test_the_same_rows_in_any_order_give_the_same_bytes(truth):
    champion, challenger = table(truth, range(30)), table(truth, range(20, 40), confidence=[0.9] * 300)
    order = np.random.default_rng(0).permutation(300)
    shuffled = {name: [values[i] for i in order] for name, values in challenger.items()}
    first, second = verdict(champion, challenger), verdict(champion, shuffled)
    assert json.dumps(first) == json.dumps(second)


def test_a_slice_that_got_worse_stops_a_promotion(truth):
    source = ["old" if i < 250 else "new" for i in range(300)]
    champion, challenger = table(truth, range(60), source=source), table(truth, range(270, 285), source=source)
    assert verdict(champion, challenger)["promote"]
    found = verdict(champion, challenger, slices=["source"])
    assert not found["promote"]
    assert found["slices"]["worse"] == ["source = new"]
    assert "significantly worse where source = new" in found["reason"]
    new = found["slices"]["tested"][0]
    assert (new["value"], new["rows"], new["gained"], new["lost"]) == ("new", 50, 0, 15)
    assert new["champion_accuracy"] == 1
    assert new["challenger_accuracy"] == 0.7


def test_too_few_rows_cannot_tell_unless_another_check_says_no(truth):
    few = truth[:40]
    champion, challenger = probable(few, [3, 5], 0.95), probable(few, [4, 8, 9], 0.95)
    assert verdict(champion, challenger, rule="not_worse")["outcome"] == "cannot be told"
    assert verdict(champion, challenger, rule="not_worse", max_log_loss=0.01)["outcome"] == "do not promote"


def test_a_margin_belongs_to_not_worse(truth):
    whole = table(truth, [])
    assert verdict(whole, whole, rule="better")["margin"] is None
    assert verdict(whole, whole, rule="not_worse", margin=0.02)["margin"] == 0.02


def test_slices_are_corrected_for_how_many_there_are(truth):
    """Six lost and none won is 1 in 64: worse when nothing else is looked at, not so among six slices."""
    month = [str(i // 50) for i in range(300)]
    champion, challenger = table(truth, [], month=month), table(truth, range(6), month=month)
    alone = verdict(champion, challenger, slices=["month"], min_slice_rows=50)["slices"]
    assert alone["tested"][0]["p"] == pytest.approx(2**-6)
    assert alone["tested"][0]["p_adjusted"] == pytest.approx(6 * 2**-6)
    assert alone["worse"] == []
    two = ["first" if i < 50 else None for i in range(300)]
    few = verdict(table(truth, [], part=two), table(truth, range(6), part=two), slices=["part"], min_slice_rows=50)
    assert few["slices"]["worse"] == ["part = first"]
    assert {one["value"] for one in few["slices"]["tested"]} == {"first", "(none)"}


def test_a_slice_with_few_rows_says_so(truth):
    source = ["rare" if i < 29 else "usual" for i in range(300)]
    found = verdict(table(truth, [], source=source), table(truth, range(29)), slices=["source"])
    assert found["slices"]["too_few_rows"] == [{"column": "source", "value": "rare", "rows": 29}]
    assert "1 slice with fewer than 30 rows not tested" in found["reason"]


def test_a_group_loses_once_in_a_slice(truth):
    """Twenty rows of one thread are one loss, not twenty."""
    more = {"source": ["x"] * 300, "thread": [None if i >= 20 else "t" for i in range(300)]}
    found = verdict(table(truth, [], **more), table(truth, range(20)), slices=["source"], group="thread")
    assert found["slices"]["tested"][0]["lost"] == 1
    assert found["units"] == 281


def probable(truth, wrong, confidence):
    said = table(truth, wrong)
    for label in LABELS:
        said[f"probability_{label}"] = [confidence if p == label else 1 - confidence for p in said["prediction"]]
    return said


@pytest.mark.proof
def test_calibration_within_limits_or_skipped_with_words(truth):
    bad = table(truth, range(60))
    unknown = verdict(bad, table(truth, range(10)))
    assert unknown["promote"]
    assert unknown["checks"]["calibration"] is None
    assert "calibration_error not checked: the challenger's table has no probabilities" in unknown["reason"]
    sure, unsure = (probable(truth, range(0, 300, 20), share) for share in (0.95, 0.6))
    assert verdict(bad, sure)["checks"]["calibration"] is True
    found = verdict(bad, unsure)
    assert not found["promote"]
    assert "calibration error 0.3500 is above 0.05" in found["reason"]
    assert verdict(bad, unsure, max_calibration_error=None)["promote"]
    expected = -(15 * np.log(0.05) + 285 * np.log(0.95)) / 300
    assert verdict(bad, sure)["calibration"]["challenger"]["log_loss"] == pytest.approx(expected, abs=1e-5)
    assert not verdict(bad, sure, max_log_loss=0.1)["promote"]


def test_the_confidence_is_the_probability_of_what_was_predicted_and_0_and_1_are_probabilities(truth):
    sure = probable(truth, range(0, 300, 20), 1.0)
    found = verdict(table(truth, []), sure)["calibration"]["challenger"]
    assert found["calibration_error"] == pytest.approx(15 / 300)  # always sure, wrong in 15 of 300


def test_the_log_loss_of_rounded_probabilities_is_that_of_their_shares(truth):
    """A row's probabilities may sum to 1 within a thousandth: they are divided by their sum, which changes nothing."""
    exact, rounded = probable(truth, range(0, 300, 20), 0.75), probable(truth, range(0, 300, 20), 0.75)
    for label in LABELS:
        column = f"probability_{label}"
        rounded[column] = [value * (1.0009 if row % 2 else 0.9991) for row, value in enumerate(exact[column])]
    found = [verdict(table(truth, []), one)["calibration"]["challenger"]["log_loss"] for one in (exact, rounded)]
    assert found[0] == found[1] == pytest.approx(-(15 * np.log(0.25) + 285 * np.log(0.75)) / 300, abs=1e-6)


def test_a_calibration_error_that_chance_shows_breaks_no_limit():
    random = np.random.default_rng(5)
    confidence = random.uniform(0.5, 1, 60)
    truth = [LABELS[i % 2] for i in range(60)]
    good = table(truth, np.flatnonzero(random.random(60) > confidence), confidence=list(confidence))
    found = verdict(table(truth, []), good, max_calibration_error=0.01)["calibration"]
    assert 0.01 < found["challenger"]["calibration_error"] <= found["challenger"]["calibration_error_by_chance"]
    assert found["passes"] is True


def test_the_reuse_of_test_rows_is_counted(truth):
    champion, challenger = table(truth, range(40)), table(truth, [])
    first = verdict(champion, challenger)
    elsewhere = verdict(table(truth[:200], []), table(truth[:200], [3]))
    again = verdict(champion, challenger, earlier=[first, elsewhere, {}] + [first] * (MAX_REUSE - 2))
    key = first["holdout_reuse"]["key"]
    assert again["holdout_reuse"] == {"key": key, "earlier_decisions": MAX_REUSE - 1, "overused": False}
    of_an_earlier_release = {"test_rows": {"key": key, "decided_before": 0, "worn": False}}
    assert verdict(champion, challenger, earlier=[of_an_earlier_release])["holdout_reuse"]["earlier_decisions"] == 1
    overused = verdict(champion, challenger, earlier=[first] * MAX_REUSE)
    assert overused["promote"]
    assert "20 earlier decisions used these test rows" in overused["reason"]


def test_what_leaves_something_open_is_refused(truth):
    whole = table(truth, [])
    short = {name: values[1:] for name, values in whole.items()}
    cases = [
        (whole, short, "not hold the same ids: 1 only the champion's, 'r0000'"),
        (
            whole,
            {**whole, "id": ["r0001", *whole["id"][1:]]},
            "challenger: 1 rows have an id that another row has, 'r0001' for one",
        ),
        (whole, {**whole, "label": [other(truth[0]), *truth[1:]]}, "different labels for 1 rows, 'r0000'"),
        (whole, {**whole, "prediction": [None, *truth[1:]]}, "1 rows have no prediction, the 1. for one"),
        (whole, {"id": whole["id"]}, "challenger: no column 'prediction'"),
        ({**whole, "label": ["ham"] * 300}, {**whole, "label": ["ham"] * 300}, "rows of two labels"),
        (whole, {**whole, "confidence": [1.2] * 300}, "confidence of row 'r0000' is 1.2, which is no probability"),
        (whole, {**whole, "probability_ham": [0.5] * 300}, "of row 'r0000' sum to 0.5"),
        ({k: v for k, v in whole.items() if k != "label"}, table(truth, []), None),
    ]
    for champion, challenger, words in cases:
        if words is None:
            verdict(champion, challenger)
            continue
        with pytest.raises(UserError, match=words):
            verdict(champion, challenger)
    with pytest.raises(UserError, match=r"gate\.group: no table has the column 'place'"):
        verdict(whole, whole, group="place")


def test_a_slice_column_that_no_row_has_is_said_and_decides_nothing(truth):
    whole = table(truth, [])
    found = verdict(whole, whole, slices=["place"])
    assert found["slices"]["missing_columns"] == ["place"]
    assert found["checks"]["slices"] is None
    assert "No row has the column place of gate.slices" in found["reason"]


def test_the_truth_may_come_by_itself(truth):
    bare = [{k: v for k, v in table(truth, wrong).items() if k != "label"} for wrong in (range(40), [])]
    labels = {"id": ["elsewhere", *(f"r{i:04}" for i in range(300))], "label": ["ham", *truth]}
    found = gate_verdict(pair(*bare, labels, []), Params(), 1)
    assert found == verdict(table(truth, range(40)), table(truth, []))
    with pytest.raises(UserError, match="no table has a column 'label'"):
        pair(*bare, None, [])
    with pytest.raises(UserError, match="truth: 1 of 300 rows are not in it, 'r0299'"):
        pair(*bare, {name: values[:-1] for name, values in labels.items()}, [])


def write(rows, path):
    if path.suffix == ".parquet":
        pq.write_table(pa.table(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(dict(zip(rows, row, strict=True))) + "\n" for row in zip(*rows.values(), strict=True))
        )
    else:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([rows, *zip(*rows.values(), strict=True)])


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_reads_the_same(truth, tmp_path, kind):
    rows = probable(truth, range(9), 0.9)
    file = tmp_path / f"rows.{kind}"
    write({**rows, "text": ["reason"] * 300}, file)
    assert verdict(table(truth, range(50)), read_predictions(file)) == verdict(table(truth, range(50)), rows)
    with pytest.raises(UserError, match="does not exist"):
        read_predictions(tmp_path / f"none.{kind}")


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("id,prediction\n1,ham,spam\n")
    (tmp_path / "a.jsonl").write_text("{")
    (tmp_path / "a.parquet").write_text("x")
    (tmp_path / "a.xls").write_text("x")
    for name, words in {
        "a.csv": "line 2: the record has 3 values, the header 2",
        "a.jsonl": "line 1: not valid JSON",
        "a.parquet": "as parquet",
        "a.xls": "unknown format",
    }.items():
        with pytest.raises(UserError, match=words):
            read_predictions(tmp_path / name)


@pytest.mark.proof
def test_the_command_writes_the_verdict(truth, tmp_path, monkeypatch, capsys):
    write(table(truth, range(40)), tmp_path / "a.parquet")
    write(table(truth, range(100, 105)), tmp_path / "b.csv")
    (tmp_path / "params.yaml").write_text("model: {name: x}\ngate: {resamples: 1000}\n")

    monkeypatch.chdir(tmp_path)
    words = ["--champion", "a.parquet", "--challenger", "b.csv", "--output", "v.json"]
    path = {"PYTHONPATH": str(TOP), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-m", "tasks.gate", *words], env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("promote: The challenger's macro-F1 is +0.1")
    first = (tmp_path / "v.json").read_bytes()

    def here(*more):
        return exit_code(application(gate), [*words, *more])

    assert here("--earlier", "v.json", "--rule", "not_worse") == 0
    assert json.loads((tmp_path / "v.json").read_text())["holdout_reuse"]["earlier_decisions"] == 1
    assert here() == 0 and (tmp_path / "v.json").read_bytes() == first, "another process, the same bytes"
    (tmp_path / "params.yaml").write_text("model: {name: x}\ngate: {slice: [source]}\n")
    assert here() == 2
    assert "unknown key gate.slice" in capsys.readouterr().err


@pytest.mark.proof
def test_the_step_is_half_of_what_swapping_one_row_changes(truth):
    truth = truth[:60]
    champion = [LABELS[(LABELS.index(label) + (i % 5 == 0)) % len(LABELS)] for i, label in enumerate(truth)]
    challenger = [LABELS[(LABELS.index(label) + (i % 7 == 0)) % len(LABELS)] for i, label in enumerate(truth)]

    def difference(one, other):
        return f1_score(truth, other, average="macro") - f1_score(truth, one, average="macro")

    changes = []
    for i in range(60):
        if champion[i] != challenger[i]:
            one, other = [*champion], [*challenger]
            one[i], other[i] = other[i], one[i]
            changes.append(abs(difference(one, other) - difference(champion, challenger)))
    both = pair_cells(truth, champion, challenger)
    assert both.step() == pytest.approx(np.mean(changes) / 2)
    assert pair_cells(truth, champion, champion).step() == 0
