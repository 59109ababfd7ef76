"""What is kept of the cache comes back after it was deleted there, unless it is damaged or nobody needs it any more."""

from __future__ import annotations

import hashlib
import json

import pytest

from flows.machine.git import git
from flows.machine.home import Home
from flows.runs import kept
from tests.support.processes import IDENTITY


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "repository").mkdir()
    git(tmp_path / "repository", "init", "-q")
    return Home.of(tmp_path / "repository")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def stored(cache, content):
    """An object of the cache: its md5."""
    md5 = hashlib.md5(content.encode()).hexdigest()
    file = cache / kept.OBJECTS / md5[:2] / md5[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return md5


def stored_folder(cache, **files):
    """A folder of these files: its md5, and theirs."""
    inside = {name: stored(cache, content) for name, content in files.items()}
    text = json.dumps([{"md5": md5, "relpath": name} for name, md5 in inside.items()])
    md5 = stored(cache, text)
    place = cache / kept.OBJECTS / md5[:2]
    (place / md5[2:]).rename(place / f"{md5[2:]}.dir")
    return f"{md5}.dir", list(inside.values())


def objects(cache):
    return {file.parent.name + file.name for file in (cache / kept.OBJECTS).glob("??/*")}


def collect(cache):
    """What ``dvc gc`` does to objects that it takes for unused."""
    for file in (cache / kept.OBJECTS).glob("??/*"):
        file.unlink()


def commit(home, md5):
    """A commit whose ``dvc.lock`` has made the model of this md5."""
    (home.origin / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  t:\n    cmd: x\n    outs: [{{path: models/classifier, hash: md5, md5: {md5}}}]\n"
    )
    git(home.origin, "add", "-A")
    git(home.origin, "commit", "-qm", "x")
    return git(home.origin, "rev-parse", "HEAD")


def test_a_version_and_what_landed_come_back(home, cache):
    model, weights = stored_folder(cache, weights="1", config="2")
    landed, other = stored(cache, "rows"), stored(cache, "of nobody")
    commit(home, model)
    (home.origin / "rows.csv.dvc").write_text(f"outs: [{{path: rows.csv, md5: {landed}}}]\n")
    git(home.origin, "add", "-A")
    kept.keep(home, cache, home.origin, kept.PROMOTED)
    one = cache / kept.OBJECTS / landed[:2] / landed[2:]
    assert one.stat().st_nlink == 2  # takes no room
    collect(cache)
    kept.restore(cache)
    assert objects(cache) == {model, *weights, landed}
    assert other not in objects(cache)


def test_what_is_damaged_does_not_come_back(home, cache, caplog):
    model, weights = stored_folder(cache, weights="1")
    commit(home, model)
    kept.keep(home, cache, home.origin, kept.PROMOTED)
    (cache / kept.OBJECTS / weights[0][:2] / weights[0][2:]).write_text("3")  # the same file, by its other name
    collect(cache)
    kept.restore(cache)
    assert objects(cache) == {model}
    assert "is damaged" in caplog.text


@pytest.mark.proof
def test_only_what_no_version_and_no_record_needs_is_forgotten(home, cache):
    from flows.champion import registry

    old, new = stored_folder(cache, weights="1"), stored_folder(cache, weights="2")
    for md5, _ in (old, new):
        at = commit(home, md5)
        kept.keep(home, cache, home.origin, kept.PROMOTED)
    registry.set_champion(home.origin, at, "the newer")
    assert kept.trim(home, cache) == 2
    collect(cache)
    kept.restore(cache)
    assert objects(cache) == {new[0], *new[1]}
