"""``driftline init`` on data nobody prepared, and ``driftline trial`` on what it wrote."""

from __future__ import annotations

import csv
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.start import init
from flows.start.trial import ROWS, spread
from tasks.core import params
from tasks.core.errors import UserError
from tasks.dataset.windows import load as load_windows
from tasks.ingest.windows import within
from tests.support.real_pipeline import make, run

TOPICS = {"billing": "invoice refund payment", "bug": "crash error login", "delivery": "parcel late missing"}


@pytest.fixture
def tickets(tmp_path):
    """Six hundred tickets in a file of another country's Excel."""
    chance = random.Random(1)
    path = tmp_path / "tickets.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Ticket", "Erstellt", "Beschreibung", "Kategorie", "Kanal"])
        for i in range(600):
            topic = chance.choice(list(TOPICS))
            words = [
                *chance.choices(["slow", "screen", "account", "please", "hello;", "button"], k=9),
                *TOPICS[topic].split(),
            ]
            chance.shuffle(words)
            day = f"{1 + i % 28:02}.{1 + i // 60:02}.2025 0{i % 10}:00"
            writer.writerow([1000 + i, day, " ".join(words), topic, chance.choice(["web", "app"])])
    return path


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_file_nobody_prepared_is_read_proposed_written_and_tried(tmp_path, tiny_checkpoint, tickets):
    folder = tmp_path / "repository"
    folder.mkdir()
    make(folder, tiny_checkpoint)
    asked = run(folder, "sh", "-c", f"driftline init {tickets} < /dev/null", ok=False)
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    done = run(folder, "driftline", "init", str(folder / "data/tickets.csv"), "--yes")
    assert "timestamp: 'Erstellt', %d.%m.%Y %H:%M" in done.stdout
    values = params.read(folder / "params.yaml")
    assert values["ingest"]["columns"] == {
        "text": "Beschreibung", "label": "Kategorie", "timestamp": "Erstellt", "id": "Ticket",
    }  # fmt: skip
    assert values["validate"]["labels"] == sorted(TOPICS)
    assert not values["evaluate"]
    assert "slices" not in values["gate"]
    windows = load_windows(folder / "params.yaml")
    assert windows.reference.until == windows.current.from_
    before = run(folder, "git", "status", "--porcelain").stdout
    tried = run(folder, "driftline", "trial")
    assert f"a trial on {ROWS} rows" in (folder / ".trial/reports/index.html").read_text()
    assert f"the pipeline runs on {ROWS} rows" in tried.stdout
    assert run(folder, "git", "status", "--porcelain").stdout == before


@settings(max_examples=60)
@given(st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=400), st.integers(20, 200))
def test_a_sample_has_every_label_in_order_and_about_as_many_rows(labels, count):
    places = spread(labels, count)
    assert places == sorted(set(places))
    assert {labels[place] for place in places} == set(labels)
    assert len(places) <= min(len(labels), count + 5 * 4)
    assert len(places) >= min(len(labels), count) - 5


@pytest.mark.parametrize("days", [1, 3, 40, 400])
def test_windows_meet_and_hold_every_dated_row(days):
    times = pa.chunked_array([pa.array([i * days * 864_000_000 for i in range(100)], pa.timestamp("us", "UTC"))])
    windows, _ = init.propose_windows(times)
    assert windows.reference.until == windows.current.from_
    reference, current = (within(times, window).to_pylist() for window in (windows.reference, windows.current))
    assert [a + b for a, b in zip(reference, current, strict=True)] == [1] * 100
    assert 15 <= sum(current) <= 40


@pytest.mark.parametrize("several", [False, True])
def test_a_copy_that_an_earlier_call_made_is_taken_and_other_content_is_not_overwritten(tmp_path, monkeypatch, several):
    repository = tmp_path / "mails"
    (repository / "data").mkdir(parents=True)
    (tmp_path / "given").mkdir()
    files = [tmp_path / "given" / name for name in (("a.csv", "b.csv") if several else ("a.csv",))]
    for file in files:
        file.write_text("text,label\nhello,ham\n")
    monkeypatch.chdir(repository)
    monkeypatch.setattr(init, "_track", lambda _: None)
    source = init.bring(files)
    assert init.bring(files) == source  # asked again, with --label
    files[-1].write_text("text,label\nhello,spam\n")
    with pytest.raises(UserError, match="exists already, with other content"):
        init.bring(files)
    held = [
        path.read_text()
        for path in ([repository / source / file.name for file in files] if several else [repository / source])
    ]
    assert held == ["text,label\nhello,ham\n"] * len(files)


@pytest.mark.parametrize(("other", "said"), [("good", False), ("不错", True)])
def test_texts_without_spaces_are_told_from_others(other, said):
    assert init.undivided(pa.table({"text": ["很好，推荐给大家", other, None]})) is said
    assert not init.undivided(pa.table({"text": pa.array([None], pa.string())}))


@pytest.mark.parametrize(
    ("text", "length"), [("good phone", 32), ("评论" * 60, 256), ("word " * 40, 64), ("これは良い" * 10, 128)]
)
def test_texts_without_spaces_are_as_long_as_their_signs(text, length):
    assert init._length(pa.chunked_array([[text] * 20])) == length


@pytest.mark.parametrize(
    ("labels", "said"), [("1 2 3 4 5", True), ("-1 0 1", True), ("0 1", False), ("1 2 three", False)]
)
def test_labels_that_are_numbers_may_have_an_order(labels, said):
    doubts = init._of_labels(pa.table({"label": labels.split() * 5}))
    assert any("if their order counts, set task: ordinal" in one for one in doubts) == said
