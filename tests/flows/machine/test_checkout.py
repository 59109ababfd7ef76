"""A checkout keeps its id wherever it is moved, no two have the same, and a copy is noticed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import application
from flows.errors import Copied
from flows.machine import checkout
from flows.machine.git import git
from flows.machine.home import Home, root
from flows.machine.locks import holding
from tasks.core.errors import UserError
from tests.support.processes import IDENTITY, TOP


@pytest.fixture
def origin(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    return made(tmp_path / "mails")


def made(folder):
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    git(folder, "commit", "-q", "--allow-empty", "-m", "x", environment=IDENTITY)
    return folder


def test_a_moved_checkout_keeps_its_id_home_and_labels(origin, tmp_path):
    before = Home.of(origin)
    (before.make() / "labels.csv").write_text("id,label\n")
    for place in (tmp_path / "team #1, new" / "größe", tmp_path / "there"):
        place.parent.mkdir(exist_ok=True)
        origin = origin.rename(place)
        after = Home.of(origin)
        assert (after.checkout.id, after.folder, after.name) == (before.checkout.id, before.folder, "mails")
        assert (after.folder / "labels.csv").exists()
    assert after.is_named(before.origin) and after.is_named(tmp_path / "team #1, new" / "größe")
    made(before.origin)  # somebody else's, where it once lay
    assert not Home.of(origin).is_named(before.origin)
    assert Home.of(before.origin).folder != after.folder


@pytest.mark.parametrize("how", ["clone", "worktree", "submodule", "same name"])
def test_no_other_checkout_has_its_id(origin, tmp_path, how):
    Home.of(origin).make()
    other = tmp_path / "other" / "mails"
    other.parent.mkdir()
    if how == "clone":
        git(tmp_path, "clone", "-q", str(origin), str(other))
    elif how == "worktree":
        git(origin, "worktree", "add", "-q", str(other))
    elif how == "submodule":
        made(other.parent)
        git(other.parent, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(origin), "mails")
    else:
        made(other)
    first, second = Home.of(origin), Home.of(other)
    assert first.checkout.id != second.checkout.id and first.folder != second.folder and first.tag != second.tag
    assert not first.is_named(other) and not second.is_named(origin)


def test_a_copy_is_refused_until_it_is_settled(origin, tmp_path):
    first, copy = Home.of(origin), tmp_path / "a copy"
    first.make()
    shutil.copytree(origin, copy)
    for _ in range(2):
        with pytest.raises(Copied, match=r"identity --new --repository '.*a copy'") as refused:
            _ = Home.of(copy).folder
        assert str(origin) in str(refused.value)
    assert Home.of(origin).checkout == first.checkout, "the one that was copied goes on"
    checkout.make_new(copy)
    second = Home.of(copy)
    assert second.checkout.id != first.checkout.id and second.checkout.called == "a-copy"
    assert Home.of(origin).checkout == first.checkout


def test_a_copy_takes_the_place_of_the_other(origin, tmp_path):
    first, copy = Home.of(origin), tmp_path / "copy"
    first.make()
    shutil.copytree(origin, copy)
    checkout.take_over(copy)
    assert Home.of(copy).folder == first.folder
    assert Home.of(origin).checkout.id != first.checkout.id
    assert Home.of(copy).checkout.id == first.checkout.id


@pytest.mark.proof
def test_only_what_keeps_nothing_here_gets_a_new_id(origin, tmp_path):
    words = ["identity", "--new", "--repository", str(origin)]
    first = Home.of(origin).checkout  # as it came from another machine, where it is still served
    CliRunner().invoke(application(), words)
    second = Home.of(origin)
    assert second.checkout.id != first.id
    second.make()
    refused = CliRunner().invoke(application(), words).exception
    assert isinstance(refused, UserError) and "is no copy" in str(refused)
    assert Home.of(origin).checkout.id == second.checkout.id


def test_a_copy_whose_original_is_gone_is_a_move(origin, tmp_path):
    first = Home.of(origin).checkout
    shutil.copytree(origin, tmp_path / "copy")
    shutil.rmtree(origin)
    assert Home.of(tmp_path / "copy").checkout.id == first.id


def test_one_checkout_by_two_paths_is_no_copy(origin, tmp_path):
    """A bind mount shows it twice; a link to git's folder does as well, without the rights that a mount takes."""
    first, other = Home.of(origin).checkout, tmp_path / "mounted"
    other.mkdir()
    (other / ".git").symlink_to(origin / ".git")
    assert Home.of(other).checkout.id == first.id
    (tmp_path / "link").symlink_to(origin)
    assert Home.of(tmp_path / "link") == Home.of(origin)


def test_the_home_of_an_earlier_release_is_taken_over_once(origin):
    old = root() / f"mails-{hashlib.sha256(str(origin).encode()).hexdigest()[:8]}"
    (old / "labels").mkdir(parents=True)
    home = Home.of(origin)
    assert home.folder == old
    moved = origin.rename(origin.with_name("moved"))
    assert Home.of(moved).folder == old
    again = Home.of(made(origin))
    assert again.folder != old, "whoever comes to lie there later has no part in it"
    assert again.make() == again.folder != old


def test_the_name_is_the_committed_one_then_that_of_the_folder(origin):
    assert Home.of(origin).name == "mails"
    for text, name in (
        ("name: tickets", "tickets"),
        ("name: Our tickets / 2026", "Our-tickets-2026"),
        ("name: null", "mails"),
        ("name: [", "mails"),
        ("name: größe.v2", "größe.v2"),
    ):
        (origin / "prefect.yaml").write_text(text)
        assert Home.of(origin).name == name
    assert Home.of(origin).key == f"größe.v2-{Home.of(origin).checkout.id}"


def test_a_new_repository_is_named_after_its_folder_once(origin):
    home = Home.of(origin)
    assert home.commit_name() is None, "without prefect.yaml there is nothing to name"
    file, shipped = origin / "prefect.yaml", (TOP / "prefect.yaml").read_text()
    file.write_text(shipped)
    assert home.commit_name() == "mails" == home.committed_name and home.commit_name() is None
    changed = set(file.read_text().splitlines()) ^ set(shipped.splitlines())
    assert {line for line in changed if not line.startswith("# name:")} == {"name: mails"}
    file.write_text("deployments: []\n")
    assert home.commit_name() == "mails" and file.read_text() == "name: mails\ndeployments: []\n"
    file.write_text("name: ours\n")
    assert home.commit_name() is None and file.read_text() == "name: ours\n"


@pytest.mark.parametrize("name", ["...", "#,#", "a b", "-x-", "%&><", "a..b/c"])
def test_every_folder_has_a_name_that_prefect_takes(name):
    found = checkout.named(name)
    assert checkout.Checkout(id="0" * 8, called=found, path="/").called == found
    assert not set(found) & set("/%&><#, ")


def test_a_damaged_file_is_named(origin):
    _ = Home.of(origin).checkout
    checkout.file_of(origin).write_text("")
    with pytest.raises(UserError, match=r"driftline/checkout\.json is damaged"):
        _ = Home.of(origin).folder


ASK = """
import sys
from pathlib import Path
from flows.machine.home import Home
print("ready", flush=True)
for line in sys.stdin:
    print(Home.of(Path(line.rstrip())).checkout.id, flush=True)
"""


@pytest.mark.proof
def test_processes_that_ask_at_once_get_one_id(origin):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    asking = [subprocess.Popen([sys.executable, "-c", ASK], cwd=TOP, **pipes) for _ in range(4)]
    assert {process.stdout.readline() for process in asking} == {"ready\n"}
    for process in asking:
        process.stdin.write(f"{origin}\n" * 8)
        process.stdin.flush()
    ids = "".join(process.communicate()[0] for process in asking).split()
    assert len(ids) == 32 and len(set(ids)) == 1


@pytest.mark.proof
def test_nothing_takes_over_from_a_checkout_at_work(origin, tmp_path, monkeypatch):
    home = Home.of(origin)
    home.make()
    shutil.copytree(origin, tmp_path / "copy")
    words = ["identity", "--replace", "--repository", str(tmp_path / "copy")]
    with holding(home.serve_lock, "process 7"):
        refused = CliRunner().invoke(application(), words)
        assert isinstance(refused.exception, UserError) and "process 7 holds" in str(refused.exception)
    done = CliRunner().invoke(application(), words)
    assert f"checkout   {home.checkout.id}, at {Path(tmp_path / 'copy')}" in done.output


def test_a_home_in_the_repository_is_no_part_of_it(origin, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_HOME", str(origin / ".driftline"))
    Home.of(origin).make()
    assert git(origin, "status", "--porcelain") == ""
    (origin / "named").mkdir()  # by a person, for other things too
    monkeypatch.setenv("DRIFTLINE_HOME", str(origin / "named"))
    Home.of(origin).make()
    assert git(origin, "status", "--porcelain") == ""
    (origin / "named" / "theirs").touch()
    assert git(origin, "status", "--porcelain", "-uall") == "?? named/theirs"


@pytest.mark.parametrize("place", ["/proc/driftline", "/dev/null/home"])
def test_a_home_that_cannot_be_made_is_named(origin, monkeypatch, place):
    monkeypatch.setenv("DRIFTLINE_HOME", place)
    for act in (Home.of(origin).make, lambda: holding(Home.of(origin).serve_lock, "it").__enter__()):
        with pytest.raises(UserError, match=f"{place} cannot be made .*: name another folder as DRIFTLINE_HOME"):
            act()
