"""The page of two runs: paired where both answered the same rows, and what differs between them is what was changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.machine.git import git
from flows.runs import Run, record
from flows.two_runs import differences, held_out, show
from flows.two_runs.page import Measure, Side, decision, measures, page
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.dataset import layout
from tests.flows.runs.test_run import NAME, TOP, recorded
from tests.support.two_runs import StandIn
from tests.tasks.report.test_report import Parsed


@pytest.mark.proof
def test_on_the_same_rows_the_better_one_is_named_and_the_texts_are_those_it_alone_has_right(tmp_path):
    good, bad = StandIn("good", tmp_path / "a", right=1.0), StandIn("worse", tmp_path / "b", right=0.5)
    found = held_out.paired(good, bad)
    assert found.rows == 200 == found.test_rows[0] == found.test_rows[1]
    alone = found.alone_right
    assert alone[1] == 0 and alone[0] == sum(one.rows for one in found.changed) > 0
    assert found.changed[0].truth == "spam" and found.changed[0].said == ("spam", "ham")
    assert 1 <= len(found.changed[0].examples) <= held_out.EXAMPLES
    assert sum(one[3] - one[2] for one in found.cells) == 0, "what leaves a cell enters another"
    rows = measures(good, bad, found)
    assert rows[0].title == "Macro-F1" and rows[0].better == "A" and rows[0].difference < 0
    assert decision(rows, found, "")[0] == "A is better by macro-F1"
    other_way = held_out.paired(bad, good)
    turned = measures(bad, good, other_way)
    assert decision(turned, other_way, "")[0] == "B is better by macro-F1"
    assert turned[0].difference == pytest.approx(-rows[0].difference)
    assert {one.title: one.better for one in turned}["Log loss"] == "B", "of a loss, less is better"


def test_runs_of_labels_with_an_order_are_compared_by_steps_too(tmp_path):
    one, other = StandIn("good", tmp_path / "a", right=1.0), StandIn("worse", tmp_path / "b", right=0.5)
    for run in (one, other):
        run.params |= {"task": "ordinal", "label_order": ["spam", "ham"]}
    found = held_out.paired(one, other)
    assert found.figures["confusion"]["labels"] == ["spam", "ham"]
    better = {one.title: one.better for one in measures(one, other, found)}
    assert better["Mean absolute error, in steps"] == "A" == better["Quadratic weighted kappa"], "of an error, less"
    other.params["task"] = "multi_label"
    with pytest.raises(UserError, match="one gives a row a label, the other a list of them"):
        held_out.paired(one, other)


def test_a_run_beside_itself_is_not_told_apart(tmp_path):
    one = StandIn("same", tmp_path)
    found = held_out.paired(one, one)
    assert found.changed == () == found.cells
    assert decision(measures(one, one, found), found, "")[0] == "Both answer every test row alike"


def test_only_rows_in_both_test_splits_count_and_too_few_are_refused(tmp_path):
    one, other = StandIn("one", tmp_path / "a"), StandIn("other", tmp_path / "b", first=150)
    assert held_out.paired(one, other).rows == 50
    apart = StandIn("apart", tmp_path / "c", first=190)
    with pytest.raises(UserError, match=r"share 10 of 200 and 200 rows"):
        held_out.paired(one, apart)
    shutil.rmtree(tmp_path / "b" / layout.SPLITS)
    with pytest.raises(UserError, match=r"test rows of other are not on this machine: `dvc fetch`"):
        held_out.paired(one, other)


def test_a_label_that_one_run_does_not_know_is_a_wrong_answer_and_no_error(tmp_path):
    one = StandIn("one", tmp_path / "a")
    other = StandIn("other", tmp_path / "b", labels=("<b>new</b>", "ham", "spam"))
    found = held_out.paired(one, other)
    assert "<b>new</b>" in found.figures["confusion"]["labels"]
    assert any("<b>new</b>" in change.said for change in found.changed)


def measure(title, better):
    return Measure(title, (0.5, 0.6), ([0.4, 0.6], [0.5, 0.7]), 0.1, [-0.1, 0.2], better)


@pytest.mark.proof
def test_measures_that_disagree_are_named(tmp_path):
    one, other = StandIn("same", tmp_path / "a", right=1.0), StandIn("other", tmp_path / "b")
    found = held_out.paired(one, other)
    f1, unclear = measure("Macro-F1", "B"), measure("Macro-F1", None)
    assert decision([f1, measure("Log loss", "A")], found, "")[0] == "B is better by macro-F1, but by Log loss A is"
    assert decision([unclear, measure("Log loss", "A")], found, "")[0].startswith("A is better by Log loss; macro-F1")
    both = [unclear, measure("Log loss", "A"), measure("ROC-AUC", "B")]
    assert decision(both, found, "")[0] == "The measures contradict each other: A by Log loss, B by ROC-AUC"
    assert decision([unclear], found, "")[0] == "Chance alone explains the difference"


@pytest.fixture
def two(deployed):
    """A run on record, and a working tree that went on: other parameters, one row fewer, another line of code."""
    origin = deployed.origin
    for file in (TOP / paths.METRICS).glob("*.json"):
        write_json(json.loads(file.read_text(encoding="utf-8")), origin / paths.METRICS / file.name)
    (origin / paths.PARAMS).write_text((TOP / paths.PARAMS).read_text(encoding="utf-8"), encoding="utf-8")
    recorded(origin)
    text = (origin / paths.PARAMS).read_text(encoding="utf-8")
    (origin / paths.PARAMS).write_text(text.replace("seed: 7", "seed: 8") + "more: <script>alert(1)</script>\n")
    split = json.loads((origin / paths.metrics("split")).read_text())
    split["rows"]["train"] -= 1
    write_json(split, origin / paths.metrics("split"))
    (origin / "step.py").write_text((origin / "step.py").read_text() + "# one line more\n")
    return deployed, Run.load(origin, NAME), Run.load(origin)


def test_what_differs_is_what_was_changed(two):
    _, then, now = two
    changed = {one.what: (one.one, one.other) for one in differences.of_params(then, now)}
    assert changed == {"seed": ("7", "8"), "more": (differences.DEFAULT, "<script>alert(1)</script>")}
    rows = {one.what: one.other - one.one for one in differences.of_rows(then, now)}
    assert rows.pop("train rows") == -1 and set(rows.values()) == {0}
    assert [(one.path, one.added, one.deleted) for one in differences.of_code(then, now)] == [("step.py", "1", "0")]
    assert [(one.added, one.deleted) for one in differences.of_code(now, then)] == [("0", "1")]
    assert differences.of_data(then, now) == [] and differences.of_packages(then, now) == []
    assert differences.shared_train_rows(then, now) is None
    assert differences.of_params(now, now) == differences.of_code(now, now) == []


@pytest.mark.proof
def test_the_page_says_why_there_is_no_paired_difference_and_escapes_what_it_shows(two):
    _, then, now = two
    parsed = Parsed(page(Side("A", then, "../x/"), Side("B", now, None)))
    assert parsed.open == [] and "script" not in {tag for tag, _ in parsed.tags}
    assert "Which run is better cannot be told." in parsed.text and "are not of the same rows" in parsed.text
    assert "<script>alert(1)</script>" in parsed.text
    links = [attributes["href"] for tag, attributes in parsed.tags if tag == "a"]
    assert {"../x/index.html", "../x/drift.html"} <= set(links)
    ids = {attributes["id"] for _, attributes in parsed.tags if "id" in attributes}
    assert {link[1:] for link in links if link[0] == "#"} <= ids
    assert [attributes["scope"] for tag, attributes in parsed.tags if tag == "th"]


def test_two_names_of_one_run_and_a_champion_that_is_not_there_are_refused(two):
    home, then, _ = two
    with pytest.raises(UserError, match="are the same run: name two"):
        show.show(home, (then.name, then.experiment.commit))
    with pytest.raises(UserError, match=r"no champion to compare with yet: `driftline promote`"):
        show.find(home, "champion")
    assert show.find(home, ".") == Run.load(home.origin)


@pytest.mark.proof
def test_without_a_run_on_record_the_page_lies_in_this_folder(two, capsys):
    home, _, _ = two
    commit = git(home.origin, "rev-parse", "HEAD")
    record.forget(home.origin, record.records(home.origin)[0])
    show.show(home, (commit, "."))
    made = Path(capsys.readouterr().out.split("file://")[1].strip())
    assert made.parent == home.origin / paths.REPORTS and "two runs" in made.read_text(encoding="utf-8")
