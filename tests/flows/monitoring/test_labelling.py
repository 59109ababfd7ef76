"""Which rows are offered, and what their labels say: without bias, and with an interval that holds what it promises."""

from __future__ import annotations

import csv
import random
from dataclasses import replace

import pytest

from flows.monitoring import labelling
from flows.monitoring.labelling import Row, choose, file_of, labels_in, measured, offer, store
from flows.windows.ranges import TimeRange, as_utc
from tasks.core.errors import UserError
from tasks.tables.delimited import read_delimited

WINDOW = TimeRange(as_utc("2026-02-01"), as_utc("2026-03-01"))


def rows(count, seed=0, labelled=False):
    """Rows of which the surer half is right nine times in ten, the other six times in ten."""
    chance = random.Random(seed)
    for i in range(count):
        sure = i % 2 == 0
        right = chance.random() < (0.9 if sure else 0.6)
        said = "ham" if right else "spam"
        confidence = (0.9 if sure else 0.6) + chance.random() / 100
        yield Row(f"r{i}", "=1+1" if i == 0 else "words", "ham" if labelled else None, said, confidence)


def label(file, truth="ham"):
    lines = list(csv.DictReader(file.open()))
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, lines[0].keys())
        writer.writeheader()
        writer.writerows({**line, "label": truth} for line in lines)


def test_half_by_chance_half_by_doubt_whatever_the_order():
    known = list(rows(1000))
    chosen = choose(known, 7, 101)
    assert [why for _, why in chosen] == ["random"] * 51 + ["uncertain"] * 50
    assert len({row.id for row, _ in chosen}) == 101
    assert choose(known[::-1], 7, 101) == chosen
    assert choose(known, 8, 101) != chosen
    doubtful = [row.confidence for row, why in chosen if why == "uncertain"]
    offered = {row.id for row, _ in chosen}
    assert max(doubtful) <= min(row.confidence for row in known if row.id not in offered)
    assert len(choose(known[:10], 7, 200)) == 10


@pytest.mark.proof
def test_the_random_half_is_unbiased_and_its_interval_covers(tmp_path, monkeypatch):
    estimates, inside = [], 0
    asked = tmp_path / "to_label.csv"
    for seed in range(200):
        known = list(rows(1000, seed))
        truth = sum(row.prediction == "ham" for row in known) / 1000
        chosen = choose(known, seed, 100)
        asked.write_text("id,label,chosen\n" + "".join(f"{row.id},ham,{why}\n" for row, why in chosen))
        offered = {row.id for row, _ in chosen}
        back = [Row(r.id, r.text, "ham" if r.id in offered else None, r.prediction, r.confidence) for r in known]
        found = measured(back, asked)
        assert (found.rows, found.of) == (50, 50)
        estimates.append(found.accuracy - truth)
        inside += found.interval[0] <= truth <= found.interval[1]
    standard_error = (0.25 * 0.75 / 50 / 200) ** 0.5
    assert abs(sum(estimates) / 200) < 4 * standard_error  # with the doubtful half counted in it would be 0.07 off
    assert inside >= 186  # 95 % of 200, less two binomial standard errors


def test_what_somebody_is_labelling_is_not_written_over_and_comes_back_by_id(deployed, tmp_path):
    known = list(rows(300))
    file = offer(deployed, WINDOW, known, 7, 20)
    assert file == file_of(deployed, WINDOW)
    assert labelling.window_of(file) == WINDOW
    before = file.read_text()
    assert offer(deployed, WINDOW, known[:50], 8, 20) == file
    assert offer(deployed, WINDOW, list(rows(10, labelled=True)), 8, 20) is None, "nothing is left to label"
    assert file.read_text() == before
    assert "confidence" not in before
    with pytest.raises(UserError, match="holds no label yet"):
        store(deployed, file)
    assert measured(known, file) is None
    label(file)
    assert store(deployed, file) == [file]
    other = tmp_path / "other.csv"
    other.write_text("label,id\nspam,r299\nspam,elsewhere\n,r298\n")
    assert store(deployed, other) == []
    assert store(deployed, file) == [file]

    (deployed.origin / "params.yaml").write_text(
        "model: {name: x}\nwindows: {reference: {until: '2026-02-01'}, current: {from: '2026-02-01'}}\n"
    )
    labelling.copy_labels(deployed, deployed.origin, ["current"])
    joined = labels_in(deployed.origin / "data/labels/labels.csv")
    assert len(joined) == 22
    assert joined["r299"] == "spam"
    assert "source: data/labels" in (deployed.origin / "params.yaml").read_text()


def test_nothing_is_asked_where_all_is_known_and_a_formula_is_no_formula(deployed):
    assert offer(deployed, WINDOW, list(rows(10, labelled=True)), 7, 20) is None
    assert measured(list(rows(10, labelled=True)), file_of(deployed, WINDOW)).over == "all rows"
    text = offer(deployed, WINDOW, list(rows(10)), 7, 20).read_text()
    assert "'=1+1" in text
    assert ",=1+1" not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,text\na,b\n", "no column 'label'"),
        ("id,label\na,ham\na,spam\n", "two labels"),
        ("id,label\na,\xff\n", "line 2: not UTF-8"),
        ("", "the first line must name the columns"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_in_words(tmp_path, text, words):
    file = tmp_path / "labels.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=words):
        labels_in(file)
    with pytest.raises(UserError, match="does not exist"):
        labels_in(tmp_path / "nowhere.csv")


def test_the_other_half_is_a_random_sample_of_the_segment_that_carries_the_verdict():
    known = [replace(row, segments=frozenset({int(row.id[1:]) % 4, 9})) for row in rows(1000)]
    chosen, plain = choose(known, 7, 100, segment=3), choose(known, 7, 100)
    assert chosen[:50] == plain[:50], "the random half depends on nothing else"
    assert [why for _, why in chosen[50:]] == ["segment"] * 50
    assert {row.segments for row, _ in chosen[50:]} == {frozenset({3, 9})}
    within = [row for row, _ in choose(known, 7, 1000, segment=3) if 3 in row.segments]
    mine = [row for row, _ in chosen if 3 in row.segments]
    assert mine == within[: len(mine)], "the first of one random order of the segment's rows"
    few = [replace(row, segments=frozenset({3} if i < 5 else {0})) for i, row in enumerate(known)]
    assert [why for _, why in choose(few, 7, 100, segment=3)].count("uncertain") >= 45


def test_both_texts_of_a_pair_are_to_be_labelled(deployed):
    known = [Row(f"r{i}", f"first {i}", None, "a", 0.5, text_pair=f"second {i}") for i in range(4)]
    table = read_delimited(offer(deployed, WINDOW, known, 7, 4), guarded=True)
    assert table.column_names == ["id", "text", "text_pair", "label", "chosen"]
    said = {(row["id"], row["text"], row["text_pair"]) for row in table.to_pylist()}
    assert said == {(row.id, row.text, row.text_pair) for row in known}
