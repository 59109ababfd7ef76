"""The branch moves on: rows are appended, colleagues tidy up, a reader is mended and the champion re-issued."""

from __future__ import annotations

import csv
import subprocess
import sys
from io import StringIO

import pytest

from flows.champion import registry
from flows.champion.manifest import Manifest
from flows.champion.proposal import propose
from flows.champion.reissue import reissue
from flows.machine.git import git
from flows.machine.home import Home
from flows.monitoring import watch
from flows.monitoring.flow import monitoring
from flows.runs.metrics import Evaluation
from flows.runs.record import read_record, records
from flows.runs.verify import rebuild
from flows.status.lines import champion_lines
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.in_order, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory, api):
    """January and February are there; January's model is the champion, and has watched February."""
    folder = tmp_path_factory.mktemp("moves_on") / "moving"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_pipeline.environment(IDENTITY).items():
            patch.setenv(name, value)
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PYTHONPATH", raising=False)
        tiny_pipeline.make_spring(folder)
        known = [row for row in csv.DictReader(StringIO((folder / "rows.csv").read_text())) if row["day"] < "2026-03"]
        write(folder, known)
        dvc(folder, "repro", "-q")
        commit(folder, "January and February")
        home = Home.of(folder)
        propose(home, "HEAD", True, False, None, None)
        look(home)
        yield home


def dvc(folder, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True, capture_output=True, text=True)


def write(folder, rows):
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "label", "day"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def commit(folder, words):
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", words)


def look(home):
    state = monitoring(repository=str(home.origin), return_state=True)
    assert state.is_completed(), state.message
    return watch.last(home).watched


def model(home):
    """The sha256 of each file of the champion's model, as its tag has them."""
    tag = f"classifier@{registry.champion(home.origin).name}"
    files = Manifest.read(git(home.origin, "tag", "-l", "--format=%(contents)", tag), tag).files
    return {path: sha for path, sha in files.items() if path.startswith("models/")}


def test_appended_rows_are_watched(home):
    write(home.origin, [row for row in tiny_pipeline.spring() if row["day"] < "2026-04"])
    commit(home.origin, "March")
    said = look(home)
    assert str(said.window) == "2026-03-01 to 2026-04-01"
    assert (said.verdict.changed, said.rows) == (True, 310)
    newest = records(home.origin)[0]
    assert "2026-03-31" in git(home.origin, "show", f"{newest.commit}:rows.csv")
    assert rebuild(home, newest).same


def test_rows_and_labels_of_the_reference_that_come_later_are_for_the_next_training(home):
    """January's rows are corrected, and labels of it return: the record of March is still whole."""
    rows = list(csv.DictReader(StringIO((home.origin / "rows.csv").read_text())))
    rows[0]["label"], rows[1]["text"] = "spam" if rows[0]["label"] == "ham" else "ham", "corrected"
    write(home.origin, rows)
    commit(home.origin, "January, corrected")
    state = monitoring(
        repository=str(home.origin), return_state=True, window={"since": "2026-03-01", "until": "2026-04-01"}
    )
    assert state.is_completed(), state.message
    newest = records(home.origin)[0]
    assert "corrected" in git(home.origin, "show", f"{newest.commit}:rows.csv")
    assert {one.stage for one in read_record(home.origin, newest).stages} == {
        "ingest@current", "validate@current", "score@current", "drift",
    }  # fmt: skip
    verified = rebuild(home, newest)
    assert verified.same, str(verified)


def test_what_colleagues_tidy_up_is_not_what_monitoring_rests_on(home):
    before = [one.name for one in records(home.origin)]
    write(home.origin, tiny_pipeline.spring())
    (home.origin / "params.yaml").write_text(
        (home.origin / "params.yaml").read_text().replace("2026-02-01", "2026-01-20")
    )
    dvc(home.origin, "repro", "-q")
    commit(home.origin, "April, and a trial of our own")
    dvc(home.origin, "exp", "remove", "-A")
    dvc(home.origin, "gc", "-w", "-f")
    git(home.origin, "gc", "-q", "--prune=now")
    assert git(home.origin, "for-each-ref", "refs/exps") == ""
    assert [one.name for one in records(home.origin)] == before
    said = look(home)
    assert str(said.window) == "2026-04-01 to 2026-05-01"  # no window twice, none left out
    assert len(said.verdict.runs) == 2
    assert rebuild(home, records(home.origin)[-1]).same


def test_a_mended_reader_reaches_monitoring_by_the_same_weights(home):
    pipe = home.origin / "pipe.py"
    pipe.write_text(
        pipe.read_text().replace('shutil.copy(f"data/{window}/raw', 'print("mended"); shutil.copy(f"data/{window}/raw')
    )
    steps = home.origin / "dvc.yaml"
    steps.write_text(
        steps.read_text().replace(
            'deps: ["${item.rows}", models/classifier]', 'deps: ["${item.rows}", models/classifier, pipe.py]'
        )
    )
    commit(home.origin, "a mended reader")
    assert "2 files changed at HEAD since" in " ".join(champion_lines(home))  # windows of a trial are no code
    before, weights = registry.champion(home.origin), model(home)
    found = reissue(home, "HEAD", apply=False)
    assert (found.possible, found.version, registry.champion(home.origin)) == (True, None, before)
    found = reissue(home, "HEAD", apply=True)
    rows = Evaluation.at(home.origin, before.commit).rows
    assert f"scores: equal on its {rows} test rows" in found.lines
    now = registry.champion(home.origin)
    assert (now, now.name) == (found.version, "v0.0.2")
    assert model(home) == weights
    assert 'print("mended")' in git(home.origin, "show", f"{now.commit}:pipe.py")
    assert watch.windows_at(home, now.commit) == watch.windows_at(home, before.commit)
    assert "as at HEAD" in " ".join(champion_lines(home))
    assert reissue(home, "HEAD", apply=True).lines[0].startswith("nothing to do")

    drifted = watch.last(home).watched
    state = monitoring(
        repository=str(home.origin), return_state=True, window={"since": "2026-03-01", "until": "2026-04-01"}
    )
    assert state.is_completed(), state.message
    run = watch.last(home)
    assert read_record(home.origin, records(home.origin)[0]).commit == now.commit
    assert len(run.watched.verdict.runs) == 1  # of the same weights
    assert watch.continues(home, run.watched, drifted)


def test_code_that_answers_otherwise_is_another_model(home):
    pipe = home.origin / "pipe.py"
    pipe.write_text(pipe.read_text().replace("0.9 if label", "0.8 if label"))
    commit(home.origin, "other confidences")
    before = registry.champion(home.origin)
    found = reissue(home, "HEAD", apply=True)
    assert not found.possible
    assert "by up to 0.1; the same answers" in " ".join(found.lines)
    assert registry.champion(home.origin) == before


def test_new_packages_are_for_a_person_to_approve(home):
    """Nothing but ``environment.json`` is new, from which this scoring takes a figure as from a package."""
    champion = registry.champion(home.origin)
    for name in ("pipe.py", "dvc.yaml"):
        (home.origin / name).write_text(git(home.origin, "show", f"{champion.commit}:{name}") + "\n")
    steps = home.origin / "dvc.yaml"
    steps.write_text(
        steps.read_text().replace("models/classifier, pipe.py]", "models/classifier, pipe.py, environment.json]")
    )
    pipe = home.origin / "pipe.py"
    reads = 'json.load(open("environment.json"))["shade"] if pathlib.Path("environment.json").exists() else 0.9'
    pipe.write_text(pipe.read_text().replace("0.9 if label", f"({reads}) if label"))
    environment = home.origin / "environment.json"
    environment.write_text('{"shade": 0.9}')
    commit(home.origin, "a figure that a package decides")
    assert reissue(home, "HEAD", apply=True).version
    environment.write_text('{"shade": 0.875}')
    commit(home.origin, "another version of it")
    found = reissue(home, "HEAD", apply=False)
    assert found.possible and "by up to 0.025; the same answers" in " ".join(found.lines)
    assert reissue(home, "HEAD", apply=True).version == registry.champion(home.origin)
