"""Names that git would run, and files that others of this machine could read or put in place."""

from __future__ import annotations

import ast
import os
import re
import stat
from pathlib import Path

import pytest

from flows.champion import proposal
from flows.demo.play import new_folder
from flows.errors import GitFailed
from flows.machine.git import git, typed
from flows.machine.home import Home
from flows.machine.locks import holding
from flows.machine.server import start_logged
from flows.monitoring import labelling
from flows.monitoring.labelling import Row
from flows.pipeline import guard
from flows.runs import publish, record, workspace
from flows.runs.record import Experiment
from flows.upgrade import release
from tasks.core.cli import exit_code
from tasks.core.errors import UserError
from tasks.core.files import private_folder
from tasks.modelling.training.checkpoint_store import exclusive
from tests.support.processes import IDENTITY

TOP = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A repository with one commit and a home of its own; the user of this machine allows ext::, and umask is 022."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    config = tmp_path / "gitconfig"
    config.write_text('[protocol]\n\tallow = always\n[protocol "ext"]\n\tallow = always\n', encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL", raising=False)
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch", "main")
    (repository / "params.yaml").write_text("seed: 1\n", encoding="utf-8")
    (repository / ".dvc").mkdir()
    (repository / ".dvc" / "config").write_text("", encoding="utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "one")
    old = os.umask(0o022)
    yield Home.of(repository)
    os.umask(old)


VALUES = {
    "upload-pack": "--upload-pack=touch {file}; false",
    "receive-pack": "--receive-pack=touch {file}; false",
    "exec": "--exec=touch {file}; false",
    "a short option": "-utouch {file}; false",
    "output": "--output={file}",
    "ext": "ext::sh -c touch% {file}",
    "ext, two words": "ext::touch {file} %S",
    "another helper": "fd::17/{file}",
    "a line end": "main\n--upload-pack=touch {file}",
    "an escape": "main\x1b]0;{file}\x07",
}


def of_record(home):
    head = git(home.origin, "rev-parse", "HEAD")
    return Experiment("run", head, head, "refs/heads/main")


USES = {
    "publish.upstream before a run": lambda home, value: publish.refuse_secrets(home, value),
    "publish.upstream after a run": lambda home, value: record.push(home.origin, of_record(home), value),
    "revision": lambda home, value: workspace.pinned(home, value),
    "promote --commit": lambda home, value: proposal.candidate(home, value),
    "promote --push": lambda home, value: proposal.propose(home, "HEAD", True, True, None, value),
    "rollback --push": lambda home, value: proposal.rollback(home, None, value),
    "upgrade --from": lambda home, value: release.fetch(home.origin, value, None),
    "upgrade --from, itself": lambda home, value: release.fetch(home.origin, value, "."),
    "upgrade --to": lambda home, value: release.fetch(home.origin, ".", value),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("case", VALUES)
def test_a_value_runs_nothing(home, canary, case, use):
    with pytest.raises(UserError, match=r"begins with -, which git would take|is not the name of a remote"):
        USES[use](home, VALUES[case].format(file=canary.file))


@pytest.mark.parametrize("command", [["promote"], ["rollback"], ["monitor"]])
def test_the_command_line_refuses_it_before_anything_starts(home, canary, command, capsys):
    from flows.cli.app import application

    typed_in = [*command, "--repository", str(home.origin), "--push", f"--receive-pack=touch {canary.file}"]
    assert exit_code(application(), typed_in, "driftline") == 2
    assert "--push" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ext::sh -c touch% {file}", "ext::touch {file}", "testhelper::x"])
def test_a_remote_that_is_configured_so_runs_nothing(home, canary, url, tmp_path, monkeypatch):
    """The remote's name says nothing of it; git itself is told which transports it may use."""
    helper = tmp_path / "bin" / "git-remote-testhelper"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\ntouch {canary.file}\n", encoding="utf-8")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}{os.pathsep}{os.environ['PATH']}")
    git(home.origin, "remote", "add", "evil", url.format(file=canary.file))
    with pytest.raises(GitFailed, match="not allowed"):
        record.push(home.origin, of_record(home), "evil")
    with pytest.raises(UserError, match="not allowed"):
        release.fetch(home.origin, "evil", None)


@pytest.mark.parametrize(
    "value", ["origin", "v0.0.1", "feature/x", "HEAD~2", "a-b", "git@host:x/y.git", "https://h/x.git", "/srv/x", "../x"]
)
def test_names_and_addresses_are_taken(value):
    assert typed(value, "--push") == value


def test_a_source_whose_name_begins_with_a_dash_is_a_file(home, monkeypatch):
    from flows.start import init

    monkeypatch.chdir(home.origin)
    Path("--force.csv").write_text("text,label\na,b\n", encoding="utf-8")
    assert init.bring([Path("--force.csv")]) == Path("--force.csv")
    assert "--force.csv" in git(home.origin, "ls-files")


def test_a_repository_of_no_name_is_refused():
    for path in ("-C", "--help", "a\0b", "ext::sh"):
        with pytest.raises(UserError, match="is not a git repository"):
            Home.of(path)


def open_to_others(path):
    """What below a path another user could reach: nothing below a folder that is closed."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077 == 0:
        return []
    below = [other for one in path.iterdir() for other in open_to_others(one)] if path.is_dir() else []
    return [path, *below]


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_clones_labels_and_checkpoints_are_the_owners(home, umask, tmp_path):
    os.umask(umask)
    rows = [Row("r1", "a text", None, "ham", 0.5)]
    file = labelling.offer(home, None, rows, 1, 10)
    (tmp_path / "back.csv").write_text("id,label\nr1,ham\n", encoding="utf-8")
    labelling.store(home, tmp_path / "back.csv")
    head = git(home.origin, "rev-parse", "HEAD")
    workspace.clone(home, head, home.clones / "run", home.origin / ".dvc" / "cache")
    with exclusive(tmp_path / ".checkpoints" / "abc"), holding(home.workspace_lock, "test"):
        pass
    kept = home.folder / "labels" / "labels.csv"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file, kept)] == [0o600, 0o600]
    for folder in (tmp_path / "home", home.folder, home.clones / "run", home.checkpoints, tmp_path / ".checkpoints"):
        assert open_to_others(folder) == []


def test_a_folder_of_an_earlier_release_is_closed(home, tmp_path):
    home.folder.mkdir(parents=True)
    home.folder.chmod(0o755)
    assert open_to_others(home.make()) == []
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports").chmod(0o775)
    assert open_to_others(private_folder(tmp_path / "reports")) == []


def test_a_log_is_the_owners_and_no_link(home, canary):
    process = start_logged(["true"], home.folder / "server.log")
    guard.stop(process)
    assert stat.S_IMODE((home.folder / "server.log").stat().st_mode) == 0o600
    (home.folder / "other.log").symlink_to(canary.file)
    with pytest.raises(OSError, match="symbolic link"):
        start_logged(["true"], home.folder / "other.log")


def test_the_demo_takes_no_folder_that_somebody_else_has_made(tmp_path):
    assert open_to_others(new_folder(tmp_path / "demo")) == []
    assert open_to_others(new_folder(None)) == []
    assert new_folder(None) != new_folder(None)
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", 65534, 65534)
        with pytest.raises(UserError, match="belongs to another user"):
            new_folder(tmp_path / "theirs")


@pytest.mark.proof
def test_no_file_has_a_name_that_can_be_foreseen():
    """Temporary files come from ``tempfile``, and not by the name that is free at the moment."""
    for file in [file for top in ("tasks", "flows") for file in (TOP / top).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            assert not re.search(r"(?<!\.dvc)/tmp/", text), file
            assert not (isinstance(node, ast.Attribute) and node.attr in ("mktemp", "gettempdir")), file


@pytest.mark.parametrize("stage", ["validate", "evaluate", "explain", "drift", "report"])
def test_each_stage_whose_report_shows_texts_closes_the_folder(stage):
    source = ast.parse((TOP / "tasks" / stage / "__main__.py").read_text(encoding="utf-8"))
    calls = [ast.unparse(node) for node in ast.walk(source) if isinstance(node, ast.Call)]
    assert "private_folder(paths.REPORTS)" in calls
