"""What DVC tracks comes whole or not at all; a remote that does not answer is named with the key that settles it."""

from __future__ import annotations

import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.errors import NotFetched
from flows.machine import retry
from flows.runs import dvc_remote, fetching
from flows.runs.dvc_remote import Remote

S3 = Remote("store", "s3://bucket/data", "http://127.0.0.1:9000")
KEY = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"


@pytest.fixture
def clone(repository, tmp_path_factory, monkeypatch):
    """A repository whose ``rows.csv`` DVC tracks, in its cache and at a remote; the file itself is not there."""
    monkeypatch.setattr(retry, "TRIES", 1)
    monkeypatch.setattr(retry, "WAIT", lambda _: 0)
    (repository / "rows.csv").write_text("id,text\n1,meeting\n")
    remote(repository, str(tmp_path_factory.mktemp("store")))
    with Repo(str(repository)) as repo:
        repo.add("rows.csv")
        repo.push()
    (repository / "rows.csv").unlink()
    return repository


def remote(repository, url, **more):
    settings = "".join(f"    {key} = {value}\n" for key, value in more.items())
    (repository / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n{settings}"
    )


def bring(clone):
    with Repo(str(clone)) as repo:
        fetching.bring(repo, fetching.tracked(repo))
    return (clone / "rows.csv").read_text()


def objects(folder):
    return [Path(place, name) for place, _, names in os.walk(folder / "files") for name in names]


def damage(folder):
    (file,) = objects(folder)
    file.chmod(0o644)
    file.write_text(file.read_text().replace("meeting", "meetinX"))
    file.chmod(0o444)  # as DVC leaves it, which believes it then
    return file


def store(clone):
    return Path(Remote.default(clone).url)


@pytest.mark.proof
def test_another_project_where_one_stands_is_let_alone(clone, tmp_path_factory, monkeypatch):
    """A clone lies in a home that git ignores, and a command is typed in the repository it was cloned from."""
    home, elsewhere = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("elsewhere")
    (home / ".gitignore").write_text("*\n")
    shutil.copytree(clone, home / "clone")
    (elsewhere / "dvc.yaml").write_text("stages: {one: {cmd: 'true'}}\n")
    monkeypatch.chdir(elsewhere)
    assert bring(home / "clone") == "id,text\n1,meeting\n"
    (home / "clone" / "rows.csv").unlink()
    shutil.rmtree(home / "clone" / ".dvc" / "cache")
    assert bring(home / "clone") == "id,text\n1,meeting\n"


@pytest.mark.proof
def test_what_is_damaged_in_the_cache_is_fetched_again(clone):
    damage(clone / ".dvc" / "cache")
    assert "meeting" in bring(clone)


@pytest.mark.proof
def test_what_is_damaged_at_the_remote_is_refused_with_its_place(clone):
    shutil.rmtree(clone / ".dvc" / "cache")
    file = damage(store(clone))
    place = f"{file.parent.name}/{file.name}"
    with pytest.raises(NotFetched, match=rf"rows.csv is damaged at the DVC remote 'store' .*delete {place}"):
        bring(clone)
    assert objects(clone / ".dvc" / "cache") == []  # and is not used the next time


@pytest.mark.proof
def test_what_is_nowhere_is_said(clone):
    shutil.rmtree(clone / ".dvc" / "cache")
    for file in objects(store(clone)):
        file.unlink()
    with pytest.raises(NotFetched, match=r"rows.csv could not be fetched.*'store' .* does not hold it"):
        bring(clone)
    shutil.rmtree(store(clone))
    with pytest.raises(NotFetched, match="is not there: mount it"):
        bring(clone)
    (clone / ".dvc" / "config").write_text("")
    with pytest.raises(NotFetched, match=r"rows.csv is not in the cache, and DVC has no default remote"):
        bring(clone)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("PermissionError: Forbidden", f"refuses the key: correct {KEY}"),
        ("An error occurred (SignatureDoesNotMatch)", "refuses the key"),
        ("NoCredentialsError: Unable to locate credentials", f"got no key: set {KEY}"),
        ("Could not connect to the endpoint URL", "does not answer: correct its url or endpointurl"),
        ("The specified bucket does not exist", "is not there: make it"),
        ("OSError: No space left on device", "is full"),
        ("ssh is supported, but requires 'dvc-ssh' to be installed", "pip install -c requirements.lock dvc-ssh"),
    ],
)
def test_each_cause_is_one_sentence_with_the_remote_and_what_settles_it(said, sentence):
    found = S3.sentence(said)
    assert found.startswith("the DVC remote 'store' (s3://bucket/data at http://127.0.0.1:9000) ")
    assert sentence in found
    assert "\n" not in found


def test_other_causes_have_no_sentence_and_addresses_no_password():
    assert S3.sentence("KeyError: 'x'") is None
    assert "hush-hush" not in str(Remote("web", "https://who:hush-hush@example.org/x"))


class Denies(BaseHTTPRequestHandler):
    """A store for whom every key is wrong."""

    def do_GET(self):
        body = b"<Error><Code>InvalidAccessKeyId</Code></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_a_store_that_refuses_the_key(clone, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Denies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    shutil.rmtree(clone / ".dvc" / "cache")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "who")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    remote(clone, "s3://bucket/data", endpointurl=address)
    with pytest.raises(NotFetched, match=r"rows.csv could not be fetched.* refuses the key: correct AWS_ACCESS_KEY_ID"):
        bring(clone)
    remote(clone, f"{address}/data")
    assert "refuses the key: correct user and password" in dvc_remote.fault(clone)
    server.shutdown()
    server.server_close()
    assert "does not answer" in dvc_remote.fault(clone)
