"""A checkout is lost, and what it knew comes back: on another machine, at another place, without a byte missing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.backup import CACHE, HOME, MANIFEST, Manifest, backup, restore
from flows.machine import checkout
from flows.machine.git import git
from flows.machine.home import Home, root
from flows.machine.locks import holding
from flows.relocation import move
from flows.runs.record import records
from tasks.core.errors import UserError
from tests.flows.runs.test_layouts import run
from tests.support.processes import IDENTITY
from tests.support.small_repository import make

pytestmark = pytest.mark.slow
OUTPUTS = ("first.txt", "second.txt", "third-one.txt", "third-two.txt", "last.txt")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A repository with a record, a champion, data of DVC's, a remote and a branch that is not main."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        make(folder)
        git(folder, "checkout", "-q", "-b", "team/work")
        (folder / "extra.txt").write_text("data")
        dvc(folder, "add", "-q", "extra.txt")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "data")
        git(folder, "remote", "add", "up", "https://example.com/x.git")
        run(Home.of(folder))
        git(folder, "tag", "-a", "-m", "it", "classifier@v1", records(folder)[0].commit)
    return folder


@pytest.fixture
def known(recorded, tmp_path_factory, monkeypatch):
    """A checkout of it, which has labels, an incident and secrets of its own."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("machine") / "home"))
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path_factory.mktemp("place") / "mails"
    shutil.copytree(recorded, folder, symlinks=True)
    checkout.make_new(folder)
    home = Home.of(folder)
    (folder / ".dvc" / "config.local").write_text(
        '[\'remote "own"\']\n    url = s3://x\n    secret_access_key = "p#w"\n'
    )
    for name, text in {"labels/labels.csv": "id,label\n1,spam\n", "incidents/x.txt": "fails"}.items():
        (home.folder / name).parent.mkdir(parents=True)
        (home.folder / name).write_text(text)
    home.make()
    return home


def dvc(folder, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True)


def all_of(home):
    """What it knows: references, labels and other files of the home, settings, outputs of the record."""
    refs = git(home.origin, "for-each-ref", "--format=%(refname) %(objectname)")
    files = {
        str(path.relative_to(home.folder)): path.read_bytes()
        for path in home.folder.rglob("*")
        if path.is_file() and path.relative_to(home.folder).parts[0] not in ("runs", "locks")
    }
    local = (home.origin / ".dvc" / "config.local").read_text()
    return refs, git(home.origin, "symbolic-ref", "HEAD"), files, local, git(home.origin, "remote", "get-url", "up")


def lose(home):
    shutil.rmtree(home.origin)
    shutil.rmtree(root())


def test_all_that_a_lost_checkout_knew_comes_back_elsewhere(known, tmp_path_factory, monkeypatch):
    before, file = all_of(known), tmp_path_factory.mktemp("kept") / "b.tar"
    identity, name = known.checkout, known.name
    made = backup(known, file, [])
    assert file.stat().st_mode & 0o077 == 0
    assert all_of(known) == before, "a backup changes nothing"
    lose(known)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("another machine") / "home"))
    place = tmp_path_factory.mktemp("new") / "mails, #2"
    assert restore(file, place) == made
    home = Home.of(place)
    assert (home.checkout.id, home.name) == (identity.id, name) and home.is_named(identity.path)
    assert all_of(home) == before
    assert (place / "extra.txt").read_text() == "data" and git(place, "status", "--porcelain") == ""
    (record,) = records(place)
    git(place, "checkout", "-q", record.commit)
    with Repo(str(place)) as repo:
        repo.checkout()
    assert all((place / name).exists() for name in OUTPUTS)
    git(place, "checkout", "-q", "team/work")
    shutil.rmtree(home.clones, ignore_errors=True)
    run(home, "run-2")


def test_what_a_remote_has_is_left_out_and_fetched_again(known, tmp_path_factory):
    store, file = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("kept") / "b.tar"
    dvc(known.origin, "remote", "add", "-q", "-d", "store", str(store))
    git(known.origin, "commit", "-qam", "remote")
    dvc(known.origin, "push", "-q", "extra.txt.dvc")
    made = backup(known, file, [])
    assert made.elsewhere == 1
    with tarfile.open(file) as tar:
        names = [name for name in tar.getnames() if name.startswith(CACHE)]
    cached = list((known.origin / ".dvc" / "cache" / "files" / "md5").glob("??/*"))
    assert len(names) == made.objects == len(cached) - 1
    assert f"{CACHE}/{md5('data')[:2]}/{md5('data')[2:]}" not in names
    place = known.origin.with_name("new")
    lose(known)
    restore(file, place)
    dvc(place, "pull", "-q", "extra.txt.dvc")
    assert (place / "extra.txt").read_text() == "data"


def md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_nothing_is_restored_over_what_is_there(known, tmp_path_factory):
    file, place = tmp_path_factory.mktemp("kept") / "b.tar", known.origin.with_name("new")
    backup(known, file, [])
    with pytest.raises(UserError, match="exists: name a new file"):
        backup(known, file, [])
    with pytest.raises(UserError, match="is still there: move or delete it"):
        restore(file, place)
    with pytest.raises(UserError, match="is not empty"):
        restore(file, known.origin)
    shutil.rmtree(known.origin)
    with pytest.raises(UserError, match="is there already: move it away"):
        restore(file, place)
    assert not place.exists() and (known.folder / "labels" / "labels.csv").exists()


def rewritten(file, change):
    with tarfile.open(file) as tar:
        members = [(one, tar.extractfile(one).read() if one.isfile() else b"") for one in tar]
    with tarfile.open(file, "w") as tar:
        for one, content in members:
            if (content := change(one.name, content)) is not None:
                one.size = len(content)
                tar.addfile(one, BytesIO(content))


def test_a_backup_sets_no_other_settings_than_it_takes(known, tmp_path_factory):
    file, place = tmp_path_factory.mktemp("kept") / "b.tar", known.origin.with_name("new")
    git(known.origin, "config", "core.sshCommand", "theirs")
    settings = dict(backup(known, file, []).settings)
    assert settings["remote.up.url"] == "https://example.com/x.git" and "core.sshcommand" not in settings
    forged = b'[["core.fsmonitor", "touch forged"], ["remote.up.url", "x"]]'
    rewritten(
        file,
        lambda name, content: (
            re.sub(rb'"settings": \[.*?\],\n "', b'"settings": ' + forged + b',\n "', content, flags=re.S)
            if name == MANIFEST
            else content
        ),
    )
    lose(known)
    restore(file, place)
    assert "fsmonitor" not in (place / ".git" / "config").read_text() and not (place / "forged").exists()
    assert git(place, "remote", "get-url", "up") == "x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, content: None if name == MANIFEST else content, "is no backup of Driftline's, or was cut off"),
        (lambda name, content: b"{}" if name == MANIFEST else content, "is no backup of Driftline's"),
        (
            lambda name, content: content[:-9] if name.endswith(".bundle") else content,
            "repository in the backup is dam",
        ),
        (lambda name, content: b"x" if name.startswith(f"{CACHE}/") else content, "in the backup is damaged"),
    ],
)
def test_a_damaged_backup_is_refused_and_leaves_nothing(known, tmp_path_factory, change, words):
    file, place = tmp_path_factory.mktemp("kept") / "b.tar", known.origin.with_name("new")
    backup(known, file, [])
    rewritten(file, change)
    folder = known.folder
    lose(known)
    with pytest.raises(UserError, match=words):
        restore(file, place)
    assert not place.exists() and not folder.exists()
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match="is no backup"):
        restore(file, place)


def test_a_backup_waits_for_no_uncommitted_change_and_may_be_taken_while_it_is_served(known, tmp_path_factory):
    file = tmp_path_factory.mktemp("kept") / "b.tar"
    (known.origin / "source.txt").write_text("changed")
    with pytest.raises(UserError, match=r"source\.txt is not committed"):
        backup(known, file, [])
    git(known.origin, "checkout", "-q", "source.txt")
    with holding(known.serve_lock, "process 7"):
        backup(known, file, [])
    with tarfile.open(file) as tar:
        assert f"{HOME}/labels/labels.csv" in tar.getnames()
        assert not [name for name in tar.getnames() if name.startswith((f"{HOME}/runs", f"{HOME}/locks"))]
        assert Manifest.model_validate_json(tar.extractfile(MANIFEST).read()).head == "team/work"


def test_a_checkout_moves_with_all_it_knows_unless_something_runs(known, tmp_path_factory):
    place, tree = tmp_path_factory.mktemp("far") / "team #1" / "mails", tmp_path_factory.mktemp("tree") / "tree"
    git(known.origin, "worktree", "add", "-q", "-b", "other", str(tree))
    before = all_of(known)
    for lock in (known.serve_lock, known.workspace_lock):
        with holding(lock, "process 7"), pytest.raises(UserError, match="process 7 holds"):
            move(known, place)
    with pytest.raises(UserError, match="lies in"):
        move(known, known.origin / "inside")
    with pytest.raises(UserError, match="exists"):
        move(known, tree)
    move(known, place)
    home = Home.of(place)
    assert home.checkout.id == known.checkout.id and all_of(home) == before
    assert not known.origin.exists() and git(tree, "status", "--porcelain") == ""
    run(home, "run-1")  # its clone is there, and of where the checkout was
    at = Home.of(tree)
    move(at, tree.with_name("elsewhere"))
    assert Home.of(tree.with_name("elsewhere")).checkout.id == at.checkout.id
