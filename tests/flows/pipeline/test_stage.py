"""What is stale, in which order, why, and what DVC did about it."""

from __future__ import annotations

import pytest

from flows.errors import StageFailed, UnknownStage
from flows.pipeline.graph import Dag, flat
from flows.pipeline.output import lines
from flows.pipeline.result import Result
from flows.pipeline.stage import outcome_of, reproduce
from flows.runs.summary import rows, table


def run_all(stages=None):
    """What the flow does, without a server: {stage: (outcome, reason)}."""
    from flows.training import in_order

    def bring(stage, reasons):
        if not reasons:
            return Result(stage, "unchanged", "nothing changed", 0.0)
        return reproduce(stage, reasons)

    dag = Dag()
    return {r.stage: (r.outcome, r.reason) for r in in_order(dag, dag.order(stages), bring)}


def test_the_order_is_that_of_the_dag_and_a_target_brings_what_it_needs(repository):
    dag = Dag()
    assert dag.order() == ["first", "second", "third@one", "third@two", "last"]
    assert dag.order(["third"]) == ["first", "third@one", "third@two"]
    assert dag.after("third@one") == ["third@one", "last"]
    assert dag.reads_from("last") == {"second", "third@one", "third@two"}
    with pytest.raises(UnknownStage, match="no stage 'fourth'; the stages are first"):
        dag.order(["fourth"])


@pytest.mark.long
def test_each_stage_says_what_it_did_and_why(repository):
    first = run_all()
    assert set(first.values()) == {("ran", "never run")}
    assert set(run_all().values()) == {("unchanged", "nothing changed")}

    (repository / "params.yaml").write_text("first: {word: blue}\n")
    changed = run_all()
    assert changed["first"] == ("ran", "first.word 'red' → 'blue'")
    assert changed["last"][0] == "ran"
    assert "second.txt changed" in changed["last"][1]

    (repository / "params.yaml").write_text("first: {word: red}\n")
    assert {outcome for outcome, _ in run_all().values()} == {"restored"}

    (repository / "second.txt").unlink()
    lost = run_all()
    assert lost["second"] == ("restored", "second.txt is missing")
    assert [name for name, (outcome, _) in lost.items() if outcome != "unchanged"] == ["second"]


@pytest.mark.slow
def test_a_stage_that_makes_the_same_bytes_stops_there(repository):
    run_all()
    (repository / "source.txt").write_text("TEXT ")  # the first stage folds case
    result = run_all()
    assert result["first"] == ("ran", "source.txt changed")
    assert {result[name][0] for name in ("second", "third@one", "third@two", "last")} == {"unchanged"}


@pytest.mark.slow
def test_a_failing_stage_says_its_own_words_and_stops_the_rest(repository):
    (repository / "source.txt").write_text("fail")
    with pytest.raises(StageFailed, match=r"source.txt says fail"):
        run_all()
    assert not (repository / "second.txt").exists()


def test_a_progress_bar_is_one_line():
    states = []
    chunks = [b"start\n10%\r2", b"0%\r30%\r", b"\nna", "ïve\n".encode()[:2], "ïve\n".encode()[2:], b"end"]
    assert list(lines(iter(chunks), states.append)) == ["start", "30%", "naïve", "end"]
    assert states == ["10%", "20%", "30%"]


def test_what_dvc_says_is_understood():
    assert outcome_of(["Stage 'a@b' is cached - skipping run, checking out outputs"]) == "restored"
    assert outcome_of(["Stage 'a' didn't change, skipping"]) == "unchanged"
    assert outcome_of(["Running stage 'a':", "> it says: Stage 'a' didn't change, skipping"]) == "ran"


def test_nested_values_have_dotted_names():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_tables_hold_every_stage_and_survive_a_bar():
    results = [Result("ingest@reference", "ran", "a | b", 1.25), Result("split", "unchanged", "nothing changed", 0)]
    assert "a | b" in [row["reason"] for row in rows(results)]
    assert table(results).splitlines()[1].split()[:2] == ["split", "unchanged"]


@pytest.mark.slow
def test_a_stage_that_the_system_killed_is_named_with_what_to_lower(repository):
    (repository / "step.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(
        StageFailed, match=r"exited with (-9|137)[^$]*was killed \(signal 6, 9 or 11\), most often .* lower"
    ):
        reproduce("first", ["never run"])
