"""git asks nobody, waits for nobody for ever, and says in its own words what failed where."""

from __future__ import annotations

import os
import pty
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from flows.errors import GitFailed
from flows.machine.git import address, git
from flows.machine.home import Home
from flows.runs import workspace
from flows.runs.publish import publish_record, refuse_secrets
from flows.runs.record import records
from tasks.core.errors import UserError

TOP = Path(__file__).parents[3]


@pytest.fixture
def private():
    """The address of a git host that asks everybody for a name and a password, and the names that it was given."""
    given = []

    class Asks(BaseHTTPRequestHandler):
        def do_GET(self):
            given.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()

        def log_message(self, *_):
            pass

    host = HTTPServer(("127.0.0.1", 0), Asks)
    Thread(target=host.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{host.server_port}/x.git", given
    host.shutdown()
    host.server_close()


def program(folder, name, text):
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o700)
    return file


def at_a_terminal(code, environment):
    """What Python code prints at a terminal of its own, at which nobody types; it is ended after 60 s."""
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, [sys.executable, "-c", code], {**os.environ, **environment, "PYTHONPATH": str(TOP)})
    said, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline and (part := os.read(terminal, 4096)):
            said += part
    except OSError:  # the other end is closed
        pass
    os.waitpid(child, 0)
    return said.decode()


PUSH = """
import sys
from pathlib import Path
from flows.machine.git import git
try:
    git(Path(sys.argv[1] if sys.argv[1:] else "."), "push", "--quiet", "up", "HEAD:refs/heads/x")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.proof
def test_at_a_terminal_nobody_is_asked_for_a_password(repository, private):
    git(repository, "remote", "add", "up", private[0])
    said = at_a_terminal(PUSH, {})
    assert "GitFailed git push --quiet up" in said and "terminal prompts disabled" in said
    assert "set up a key or a credential helper" in said


@pytest.mark.proof
def test_ssh_finds_no_terminal_to_ask_on(repository, tmp_path_factory):
    text = "(read answer < /dev/tty) && echo it was answered >&2; exit 9"
    asks = program(tmp_path_factory.mktemp("bin"), "ssh", text)
    git(repository, "remote", "add", "up", "ssh://h.test/x")
    said = at_a_terminal(PUSH, {"GIT_SSH_COMMAND": str(asks)})
    assert "/dev/tty" in said and "it was answered" not in said


@pytest.mark.parametrize("how", ["SSH_ASKPASS", "core.askPass"])
def test_no_window_opens_for_a_password(repository, private, monkeypatch, tmp_path_factory, how):
    folder = tmp_path_factory.mktemp("bin")
    window = program(folder, "window", f"touch {folder}/opened; echo x")
    monkeypatch.setenv("DISPLAY", ":0")
    if how == "SSH_ASKPASS":
        monkeypatch.setenv(how, str(window))
    else:
        git(repository, "config", how, str(window))
    with pytest.raises(GitFailed, match="terminal prompts disabled"):
        git(repository, "ls-remote", private[0])
    assert not (folder / "opened").exists()


def test_a_program_that_is_named_for_it_answers(repository, private, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("GIT_ASKPASS", str(program(tmp_path_factory.mktemp("bin"), "token", "echo token")))
    with pytest.raises(GitFailed, match="Authentication failed"):
        git(repository, "ls-remote", private[0])
    assert private[1][-1].startswith("Basic ")


@pytest.mark.proof
def test_a_remote_that_is_silent_is_given_up_and_nothing_is_left(repository):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(GitFailed, match="did not end within 1 s"):
            git(repository, "ls-remote", there, seconds=1)
        left = [one for one in psutil.process_iter(["cmdline"]) if there in (one.info["cmdline"] or [])]
        _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []


def test_a_repository_of_another_user_is_told_with_what_makes_it_readable(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for this
    for ask in (lambda: Home.of(repository), lambda: git(repository, "status")):
        with pytest.raises(UserError, match=rf"belongs to another user.*safe\.directory {repository}`"):
            ask()


def test_a_machine_without_git_is_told_so(repository, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(UserError, match="git is not installed"):
        Home.of(repository)


def test_a_misspelt_remote_is_refused_with_those_there_are(deployed):
    git(deployed.origin, "remote", "add", "origin", "/srv/x")
    assert address(deployed.origin, "origin", "publish.upstream") == "/srv/x"
    with pytest.raises(UserError, match=r"publish\.upstream: .* has no git remote orgin; it has origin: "):
        refuse_secrets(deployed, "orgin")


SETTINGS = {
    "the name of the first remote": {"clone.defaultRemoteName": "upstream"},
    "hooks that refuse everything": {"core.hooksPath": "HOOKS"},
    "no access to files": {"protocol.file.allow": "never"},
    "signatures without a key": {"commit.gpgSign": "true", "tag.gpgSign": "true", "user.signingKey": "DEADBEEF"},
    "line ends of Windows": {"core.autocrlf": "true"},
    "an identity of each repository": {"user.useConfigOnly": "true"},
    "colours": {"color.ui": "always"},
}


@pytest.mark.long
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_users_own_settings_of_git_keep_no_run_from_its_record(deployed, monkeypatch, tmp_path_factory, settings):
    from flows.pipeline.stage import guarded
    from flows.runs import record
    from flows.runs.attempt import attempt

    folder = tmp_path_factory.mktemp("user")
    for hook in ("pre-push", "post-checkout"):
        program(folder, hook, "exit 1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "gitconfig"))
    for name, value in settings.items():
        git(folder, "config", "--global", name, value.replace("HOOKS", str(folder)))
    git(deployed.origin, "config", "core.hooksPath", "/dev/null")  # its own hooks may refuse a record
    git(folder, "init", "--quiet", "--bare", "up.git")
    git(deployed.origin, "remote", "add", "up", str(folder / "up.git"))
    info = record.RunInfo("training-1", "scheduled-training", deployed.origin, record.now())

    def stages(clone):
        assert guarded([sys.executable, "-m", "dvc", "repro", "first"])[0] == 0
        yield from ()

    done = attempt(deployed, info, workspace.pinned(deployed, "HEAD"), stages)
    done.raise_error()
    publish_record(deployed, done.folder, done.experiment, "up")
    assert [one.name for one in records(deployed.origin)] == ["training-1"]
    assert done.experiment.ref in git(folder / "up.git", "for-each-ref", "--format=%(refname)")
