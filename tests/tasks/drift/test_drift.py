"""The drift gate: the test is the one it says it is, calibrated, sharp, deterministic, and why_none when it must be."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array
from scipy.stats import binom

from tasks.core.errors import UserError
from tasks.drift import Params, permutation
from tasks.drift.descriptors import describe
from tasks.drift.permutation import Indicators, Population, Signal, assignments, exchangeable_units
from tasks.drift.quarantine import quarantine_population
from tasks.drift.rows import rows_from_table
from tasks.drift.signals import group_codes, quantity
from tasks.drift.testing import adjusted_p_values, p_values, permutation_test
from tasks.drift.verdict import drift_verdict

WORDS = np.array(
    ["mail", "list", "meeting", "offer", "free", "kernel", "patch", "money", "Dear", "thanks", "2002", "!"]
)


def table(rng, rows, spam=0.3, weights=None):
    label = np.where(rng.random(rows) < spam, "spam", "ham")
    text = [" ".join(rng.choice(WORDS, size=rng.integers(3, 30), p=weights)) for _ in range(rows)]
    confidence = rng.beta(8, 2, size=rows) / 2 + 0.5
    return pa.table({"text": text, "prediction": label, "confidence": confidence, "label": label})


def side(seed, rows, shift=0.0, **kwargs):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(rows, 24)).astype(np.float32)
    embeddings[:, 0] += shift
    return rows_from_table(table(rng, rows, **kwargs), embeddings, None, "here")


def tiny(rng, rows=14):
    """Two signals over a few rows: a category with three values, and a quantity."""
    values = csr_array(np.eye(3, dtype=np.float32)[rng.integers(3, size=rows)])
    parts = (Indicators(values, "abc".__getitem__),), (quantity("size", rng.normal(size=rows).round(1)),)
    current = np.arange(rows) < rows // 2
    return Population(current, tuple(Signal(str(i), part, 0.1) for i, part in enumerate(parts)))


def test_indicators_that_stand_alone_are_as_many_sets_of_one():
    rng = np.random.default_rng(3)
    values = csr_array(np.eye(5, dtype=np.uint8)[rng.integers(5, size=200)])
    current = np.arange(200) < 80
    alone = (Indicators(values, "abcde".__getitem__, alone=True),)
    sets = tuple(Indicators(values[:, [i]], ["abcde"[i]].__getitem__) for i in range(5))
    found, expected = (
        permutation_test(Population(current, (Signal("s", parts, 0.1),)), 99, 7) for parts in (alone, sets)
    )
    assert np.array_equal(found.statistics, expected.statistics) and found.changes == expected.changes
    together = permutation_test(Population(current, (Signal("s", (Indicators(values, str),), 0.1),)), 99, 7)
    assert (together.statistics < found.statistics).all()


def naive(population, current):
    """The statistics of one assignment of the rows, question by question."""
    statistics = []
    for signal in population.signals:
        parts = []
        for part in signal.indicators:
            answers = part.values.toarray().astype(float)
            answers = np.cumsum(answers, axis=1) if part.cumulative else answers
            squares = []
            for yes in answers.T:
                share, change = yes.mean(), yes[current].mean() - yes[~current].mean()
                variance = share * (1 - share) * (1 / current.sum() + 1 / (~current).sum())
                squares.append(change**2 / variance if variance else 0.0)
            parts.append(np.mean(np.array(squares) ** 3) ** (1 / 3))
        statistics.append(max(parts))
    return statistics


@pytest.mark.proof
def test_the_product_gives_what_a_loop_over_permutations_gives():
    population = tiny(np.random.default_rng(3))
    found = permutation_test(population, 300, seed=5).statistics
    rng = np.random.default_rng(5)
    units = exchangeable_units(population, rng)
    drawn = np.vstack(list(assignments(units, 300, rng)))
    expected = [naive(population, row[units.of_row].astype(bool)) for row in drawn]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[0].tolist() == pytest.approx(naive(population, population.current))
    assert (drawn.sum(axis=1) == 7).all()


def test_a_p_value_counts_the_permutations_at_least_as_extreme_itself_included():
    statistics = np.array([[3.0], [1.0], [3.0], [5.0]])
    assert p_values(statistics)[:, 0].tolist() == [0.75, 1.0, 0.75, 0.25]


def test_the_adjustment_is_the_step_down_min_p_of_its_definition():
    p = p_values(np.random.default_rng(0).gamma(1, size=(200, 4)).cumsum(axis=1))
    order = np.argsort(p[0])
    stepped, last = {}, 0.0
    for i, signal in enumerate(order):
        smallest = p[:, order[i:]].min(axis=1)
        last = max(last, np.mean(smallest <= p[0, signal]))
        stepped[signal] = last
    assert adjusted_p_values(p).tolist() == [stepped[j] for j in range(4)]
    assert (adjusted_p_values(p) >= p[0]).all()


def test_groups_move_whole_and_many_rows_move_in_equal_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    current = np.repeat([False, True], [400, 300])
    grouped = exchangeable_units(Population(current, (), groups=np.arange(700) // 7), rng)
    assert len(grouped.current) == 101  # the group that has rows on both sides is one unit on each
    monkeypatch.setattr(permutation, "MAX_UNITS", 100)
    blocked = exchangeable_units(Population(current, ()), rng)
    sizes = np.bincount(blocked.of_row)
    assert set(sizes[blocked.moving]) == {7} and sizes[~blocked.moving].tolist() == [1, 6]
    assert (blocked.current[blocked.of_row] == current).all()
    drawn = np.vstack(list(assignments(blocked, 50, rng)))
    assert (drawn[:, ~blocked.moving] == blocked.current[~blocked.moving]).all()
    assert len(np.unique(drawn, axis=0)) == 51


def test_a_small_side_is_cut_into_at_least_25_blocks(monkeypatch):
    monkeypatch.setattr(permutation, "MAX_UNITS", 100)
    current = np.repeat([False, True], [5000, 100])
    blocked = exchangeable_units(Population(current, ()), np.random.default_rng(0))
    assert set(np.bincount(blocked.of_row)) == {4} and blocked.current.sum() == 25


def test_rows_without_a_group_stand_alone():
    codes = group_codes(np.array(["b", None, "a", "b", None], dtype=object))
    assert codes[0] == codes[3] and len(np.unique(codes)) == 4
    groups = pa.table({"group": ["one"] * 20 + [None] * 29, "confidence": [0.5] * 49})
    few = rows_from_table(groups, None, "group", "here")
    assert drift_verdict(few, few, Params(min_rows=31), 7)["reason"].startswith("only 30 reference groups")
    assert drift_verdict(few, few, Params(min_rows=30), 7)["significant"] is False


@pytest.mark.long
@pytest.mark.parametrize("groups", [False, True])
def test_false_alarms_come_at_the_stated_level(groups):
    """Rows of one kind on both sides, with and without near-duplicates that stay together."""
    draws, level, copies = 300, 0.05, 4 if groups else 1
    params = Params(level=level, permutations=499, group="group" if groups else None)
    alarms = 0
    for draw in range(draws):
        rng = np.random.default_rng([draw, groups])
        sides = []
        for name in ("a", "b"):
            once = table(rng, 200 // copies)
            rows = np.repeat(np.arange(once.num_rows), copies)
            once = once.append_column("group", pa.array([f"{name}{i}" for i in range(once.num_rows)]))
            embeddings = rng.normal(size=(once.num_rows, 8)).astype(np.float32)
            sides.append(rows_from_table(once.take(rows), embeddings[rows], params.group, name))
        alarms += drift_verdict(*sides, params, seed=draw)["significant"]
    low, high = binom.ppf([0.005, 0.995], draws, level)
    assert low <= alarms <= high


@pytest.mark.proof
def test_what_moved_is_found_and_named_and_what_did_not_is_not():
    verdict = drift_verdict(side(1, 400), side(2, 300, spam=0.6), Params(), seed=7)
    assert verdict["drifted"] is True and verdict["significant"] is True
    assert {name for name, signal in verdict["signals"].items() if signal["alarm"]} == {"predictions", "labels"}
    moved = verdict["signals"]["predictions"]
    assert moved["where"] in ("prediction = ham", "prediction = spam")
    assert moved["effect"] == pytest.approx(abs(moved["current_share"] - moved["reference_share"]), abs=1e-4)
    assert 0.2 < moved["effect"] < 0.4
    assert verdict["rows"] == {"reference": 400, "current": 300}
    assert "predictions" in verdict["reason"] or "labels" in verdict["reason"]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("change", "signal"),
    [
        ({"shift": 1.0}, "embeddings: axes"),
        ({"weights": [0.02, 0.18, *[0.08] * 10]}, "vocabulary"),
        ({"weights": [0.04] * 10 + [0.56, 0.04]}, "text: share of digits"),
    ],
)
def test_every_kind_of_shift_has_a_signal_that_sees_it(change, signal):
    verdict = drift_verdict(side(1, 300), side(2, 300, **change), Params(), seed=7)
    assert verdict["signals"][signal]["alarm"]


@pytest.mark.proof
def test_the_word_that_moved_is_named_but_never_from_a_mail_address():
    rng = np.random.default_rng(0)
    reference, current = table(rng, 200), table(rng, 200)
    texts = [f"{text} wombat jane.doe@secret.org" for text in current["text"].to_pylist()]
    current = current.set_column(0, "text", pa.array(texts))
    found = drift_verdict(
        rows_from_table(reference, None, None, "a"), rows_from_table(current, None, None, "b"), Params(), seed=7
    )
    assert found["signals"]["vocabulary"]["where"] == "the word “wombat”"
    assert "jane" not in json.dumps(found) and "secret" not in json.dumps(found)


@pytest.mark.proof
def test_a_cluster_of_new_rows_is_seen_in_the_embeddings():
    reference, current = side(1, 500), side(2, 500)
    current.embeddings[:40] = np.random.default_rng(0).normal(3, 0.1, size=(40, 24))
    assert drift_verdict(reference, current, Params(), seed=7)["signals"]["embeddings: centres"]["alarm"]


@pytest.mark.proof
def test_a_change_too_small_to_matter_is_significant_but_no_drift():
    params = Params.model_validate({"smallest_effect": {"predictions": 0.6, "labels": 0.6}})
    verdict = drift_verdict(side(1, 400), side(2, 400, spam=0.6), params, seed=7)
    assert (verdict["drifted"], verdict["significant"]) == (False, True)
    assert "by less than drift.smallest_effect" in verdict["reason"]


@pytest.mark.proof
def test_the_verdict_depends_on_the_seed_and_on_nothing_else():
    sides = side(1, 150), side(2, 120)
    one, two, other = (json.dumps(drift_verdict(*sides, Params(permutations=199), seed)) for seed in (7, 7, 8))
    assert one == two
    assert one != other


@pytest.mark.proof
def test_permuting_blocks_leaves_effects_and_alarms_as_they_are(monkeypatch):
    sides = side(1, 600), side(2, 600, spam=0.6)
    whole = drift_verdict(*sides, Params(), seed=7)["signals"]
    monkeypatch.setattr(permutation, "MAX_UNITS", 200)
    blocks = drift_verdict(*sides, Params(), seed=7)["signals"]
    assert [its["p_value"] for its in whole.values()] != [its["p_value"] for its in blocks.values()]
    for key in ("effect", "statistic", "alarm"):
        assert {name: its[key] for name, its in whole.items()} == {name: its[key] for name, its in blocks.items()}, key
    assert {name for name, its in blocks.items() if its["alarm"]} == {"predictions", "labels"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(0, "no current data"), (29, "only 29 current rows: a verdict needs at least 30 (drift.min_rows)")],
)
def test_too_few_rows_give_no_verdict_but_a_reason(rows, reason):
    verdict = drift_verdict(side(1, 100), side(2, rows), Params(), seed=7)
    assert verdict["drifted"] is None and verdict["significant"] is None
    assert verdict["reason"].startswith(reason)
    assert verdict["signals"] == {}


@pytest.mark.proof
def test_labels_that_came_for_some_rows_are_compared_among_those():
    reference, current = side(1, 300), side(2, 300)
    current.categories["label"][:250] = None
    assert drift_verdict(reference, current, Params(), seed=7)["signals"]["labels"]["alarm"] is False
    current.categories["label"][250:] = "virus"
    assert drift_verdict(reference, current, Params(), seed=7)["signals"]["labels"]["alarm"] is True
    current.categories["label"][:] = None
    assert "labels" not in drift_verdict(reference, current, Params(), seed=7)["signals"]


@pytest.mark.proof
def test_quarantine_is_compared_over_all_rows_that_came_in_and_artefacts_are_left_out():
    calm = {"rows": 1000, "reasons": {"text_empty": 10, "timestamp_unreadable": 0}}
    noisy = {"rows": 500, "reasons": {"text_empty": 60, "timestamp_unreadable": 100}}
    sides = side(1, 100), side(2, 100)
    found = drift_verdict(*sides, Params(), 7, quarantine_population(calm, noisy, Params()))["signals"]["quarantine"]
    assert found["alarm"] and found["where"] == "quarantined: text_empty"
    assert (found["reference_share"], found["current_share"]) == (0.01, 0.12)
    only_dates = {"rows": 500, "reasons": {"timestamp_unreadable": 100}}
    assert quarantine_population(calm | {"reasons": {}}, only_dates, Params()) == ()
    several = {"rows": 50, "reasons": {"a": 40, "b": 30}}  # more reasons than rows: some have two
    (only,) = quarantine_population(several, several, Params())
    assert only.signals[0].indicators[0].values.sum(axis=0).tolist() == [80, 60]


def test_the_descriptors_are_those_of_a_count_by_hand():
    texts = ["", "  Hello  World9 ", "Grüße, 東京! see https://a.b and WWW.c.d", "\n", "x"]
    found = describe(pa.array(texts, pa.large_string()))
    assert found["words"].tolist() == [len(text.split()) for text in texts]
    assert found["characters"].tolist() == [len(text) for text in texts]
    assert found["links"].tolist() == [0, 0, 2, 0, 0]
    for name, belongs in {
        "share of capitals": lambda c: c.isascii() and c.isupper(),
        "share of digits": str.isdigit,
        "share of foreign characters": lambda c: not c.isascii(),
        "share of signs": lambda c: c.isascii() and not c.isalnum() and not c.isspace(),
    }.items():
        assert found[name].tolist() == [sum(map(belongs, text)) / max(len(text), 1) for text in texts], name


def command(*arguments):
    call = [sys.executable, "-m", "tasks.drift", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True)


@pytest.mark.proof
def test_any_two_tables_can_be_compared(tmp_path):
    rng = np.random.default_rng(3)
    pa.csv.write_csv(table(rng, 200).select(["prediction", "confidence"]), tmp_path / "a.csv")
    pq.write_table(table(rng, 200, spam=0.8), tmp_path / "b.parquet")
    output = tmp_path / "v.json"
    done = command("--reference", tmp_path / "a.csv", "--current", tmp_path / "b.parquet", "--output", output)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(output.read_text())
    assert set(verdict["signals"]) == {"predictions", "confidence"}
    assert verdict["drifted"] is True and verdict["signals"]["confidence"]["alarm"] is False
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "b.parquet", "v.json"]


@pytest.mark.proof
def test_tables_that_cannot_be_compared_are_refused_by_name(tmp_path):
    pq.write_table(pa.table({"colour": ["red"] * 40}), tmp_path / "a.parquet")
    done = command(
        "--reference", tmp_path / "a.parquet", "--current", tmp_path / "a.parquet", "--output", tmp_path / "v"
    )
    assert done.returncode == 2 and "colour" in done.stderr and "Traceback" not in done.stderr
    done = command("--reference", tmp_path / "a.parquet")
    assert done.returncode == 2 and "Missing option '--current'" in done.stderr


def test_rows_that_are_all_alike_are_no_drift():
    """Neither a text with a word in it, nor two embeddings, nor two confidences that differ."""
    same = pa.table({"text": ["12345"] * 50, "prediction": ["ham"] * 50, "confidence": [1.0] * 50})
    for embeddings in (np.ones((50, 4), np.float32), np.eye(4, dtype=np.float32)[np.arange(50) % 3]):
        one = rows_from_table(same, embeddings, None, "here")
        verdict = drift_verdict(one, one, Params(permutations=99), seed=7)
        assert (verdict["drifted"], verdict["significant"]) == (False, False)
        assert all(signal["effect"] == 0 for signal in verdict["signals"].values())


def test_what_does_not_fit_is_refused():
    rows = table(np.random.default_rng(0), 50)
    with pytest.raises(UserError, match="50 rows, but its embeddings have the shape"):
        rows_from_table(rows, np.zeros((49, 3), np.float32), None, "a.parquet")
    with pytest.raises(UserError, match="24 and 3 wide"):
        drift_verdict(side(1, 50), rows_from_table(rows, np.zeros((50, 3), np.float32), None, "b"), Params(), seed=7)
    with pytest.raises(UserError, match="no column 'thread'"):
        rows_from_table(rows, None, "thread", "a.parquet")
    with pytest.raises(UserError, match="confidence must hold numbers"):
        rows_from_table(pa.table({"confidence": ["high"] * 50}), None, None, "a.parquet")
