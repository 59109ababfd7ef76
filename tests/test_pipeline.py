"""The whole pipeline through ``dvc repro``, on a tiny model, in repositories of its own."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.modelling.training.checkpoint_store import ACTIVATIONS
from tests.support.processes import TOP
from tests.support.real_pipeline import SAMPLE, commit, edit, locked, make, repro, run

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_checkpoint):
    """A repository in which the pipeline has run once."""
    folder = make(tmp_path_factory.mktemp("pipeline"), tiny_checkpoint)
    repro(folder, PYTHONPATH=str(TOP / "tests/netguard"), NETGUARD_LOG=str(folder / ".git/left-the-machine"))
    commit(folder)
    return folder


def test_nothing_leaves_the_machine(finished, tmp_path):
    assert not (finished / ".git/left-the-machine").exists()
    log = tmp_path / "log"  # and the guard guards
    code = "import urllib.request; urllib.request.urlopen('http://example.org')"
    run(tmp_path, sys.executable, "-c", code, ok=False, PYTHONPATH=str(TOP / "tests/netguard"), NETGUARD_LOG=str(log))
    assert "example.org" in log.read_text()


def test_every_output_is_there_and_says_something(finished):
    page = (finished / "reports/index.html").read_text()
    metrics = json.loads((finished / "metrics/evaluate.json").read_text())
    assert 0 <= metrics["macro_f1"] <= 1
    assert {"accuracy", "macro_f1"} <= metrics["baseline"].keys()
    assert json.loads((finished / "metrics/drift.json").read_text())["drifted"] in (True, False)
    for path in locked(finished, reports=True):
        assert (finished / path).exists()
    assert "macro-F1" in page
    left = [folder.name for folder in finished.glob(".checkpoints/*")]
    assert left in ([], [ACTIVATIONS]), "a finished training leaves no checkpoint"


def test_no_row_is_lost_between_the_source_and_the_splits(finished):
    def ids(*paths):
        return sorted(key for path in paths for key in pq.read_table(finished / path)["id"].to_pylist())

    data = "data/{}/{}.parquet".format
    source = pq.read_table(finished / SAMPLE)
    raw = ids(data("reference", "raw"), data("current", "raw"))
    assert len(raw) == len(set(raw)) <= len(source)
    for window in ("reference", "current"):
        assert ids(data(window, "raw")) == ids(data(window, "validated"), data(window, "quarantine"))
    splits = [data("splits", name) for name in ("train", "validation", "test", "quarantine")]
    assert ids(data("reference", "validated")) == ids(*splits)
    assert ids(data("reference", "scored")) == ids(data("splits", "validation"), data("splits", "test"))


def test_the_same_commit_makes_the_same_bytes_elsewhere(finished, tmp_path):
    other = tmp_path / "a folder with a much longer name than the other"
    run(tmp_path, "git", "clone", "-q", str(finished), str(other))
    (other / "dvc.lock").unlink()
    ran = repro(other, TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="1234")
    assert "finetune" in ran
    assert locked(other, reports=True) == locked(finished, reports=True)


def test_what_changes_decides_what_runs(finished):
    assert repro(finished) == set()
    edit(finished, windows__current={"from": "2002-09-08", "until": "2002-10-08"})
    branch = {"ingest@current", "validate@current", "score@current", "drift", "report"}
    assert repro(finished) == branch

    before = locked(finished)
    append_rows(finished / SAMPLE, datetime(2002, 9, 20, tzinfo=UTC))
    assert repro(finished) == {"ingest@reference", *branch}
    after = locked(finished)
    moved = {path for path in before if after[path] != before[path]}
    assert moved <= {path for path in before if "current" in path} | {"metrics/drift.json"}
    assert "data/current/validated.parquet" in moved
    run(finished, "git", "checkout", "-q", ".")
    run(finished, "dvc", "checkout")


def append_rows(file, moment):
    """Forty more mails, received at that moment."""
    rows = pq.read_table(file)
    late = rows.slice(0, 40).to_pydict()
    late |= {
        "id": [f"late/{i}" for i in range(40)],
        "text": [f"{text} once more" for text in late["text"]],
        "received_at": [moment] * 40,
    }
    pq.write_table(pa.concat_tables([rows, pa.table(late, schema=rows.schema)]), file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validate__max_quarantine": 0.1}, ["validate.max_quarantine", "max_quarantined"]),
        ({"ingest__source": "data/nosuch.csv"}, ["data/nosuch.csv"]),
        (
            {"ingest__columns": {"text": "text", "label": "klass", "timestamp": "received_at"}},
            ["klass", "label", "group"],  # the columns that are there
        ),
        ({"windows__current": {"from": "2002-08-01", "until": "2002-10-01"}}, ["overlap"]),
        ({"windows__current": {"from": "2031-01-01", "until": "2031-02-01"}}, ["windows.current", "2031"]),
    ],
)
def test_a_fault_ends_in_one_clear_message_and_leaves_nothing_half_written(finished, changes, words):
    edit(finished, **changes)
    done = run(finished, "dvc", "repro", ok=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not list(finished.rglob(".*.part"))
    run(finished, "git", "checkout", "-q", ".")
    run(finished, "dvc", "checkout")
