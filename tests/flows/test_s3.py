"""Records and data in an S3-compatible store: a real server that speaks the protocol, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import boto3
import httpx
import pytest

from flows.machine.git import git
from flows.parameters import Publish
from flows.runs.record import locked, records
from flows.scheduled_training import scheduled_training
from tests.support.processes import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def store(monkeypatch):
    """The address of a server that holds the bucket ``driftline``; its keys are in the environment only."""
    port = free_port()
    keys = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "hush-hush", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(address, timeout=5)
            break
        except httpx.HTTPError:
            time.sleep(0.2)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="driftline")
    yield address
    server.kill()
    server.wait()


def test_a_record_and_its_data_come_back_from_s3(api, deployed, store, tmp_path_factory):
    def dvc(folder, *words):
        command = [sys.executable, "-m", "dvc", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    git(elsewhere, "init", "-q", "--bare", "git")
    git(deployed.origin, "remote", "add", "team", str(elsewhere / "git"))
    dvc(deployed.origin, "remote", "add", "-d", "store", "s3://driftline/data")
    dvc(deployed.origin, "remote", "modify", "store", "endpointurl", store)
    git(deployed.origin, "commit", "-qam", "remote")
    state = scheduled_training(str(deployed.origin), publish=Publish(upstream="team"), return_state=True)
    assert state.is_completed(), state.message
    (past,) = records(deployed.origin)

    # somebody else, with nothing but the two remotes
    git(elsewhere, "clone", "-q", "--no-checkout", str(elsewhere / "git"), "copy")
    copy = elsewhere / "copy"
    git(copy, "fetch", "-q", "origin", past.ref)
    git(copy, "checkout", "-q", "FETCH_HEAD")
    dvc(copy, "pull")
    assert (copy / "last.txt").read_bytes() == (deployed.clones / past.name / "last.txt").read_bytes()
    assert locked(copy / "dvc.lock") == locked(deployed.clones / past.name / "dvc.lock")
    tracked = [path.read_text() for path in copy.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert not any(os.environ["AWS_SECRET_ACCESS_KEY"] in text for text in tracked)
