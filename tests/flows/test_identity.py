"""Who a checkout is, asked and told on the command line; backup and restore by the commands, through a real server."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from itertools import count

import pytest
from prefect.client.orchestration import get_client

from flows.machine.home import Home
from flows.runs.record import records
from tests.flows.runs.test_layouts import run
from tests.support.processes import TOP

pytestmark = pytest.mark.slow


def driftline(*words, answer=None):
    """The command, at a terminal where it is answered something."""
    at, terminal = pty.openpty()
    if answer:
        os.write(at, f"{answer}\n".encode())
    command = [sys.executable, "-m", "driftline", *map(str, words)]
    stdin = terminal if answer else subprocess.DEVNULL
    done = subprocess.run(command, cwd=TOP, stdin=stdin, capture_output=True, text=True, timeout=200, check=False)
    os.close(terminal), os.close(at)
    return done


@pytest.fixture
def copied(deployed, tmp_path_factory):
    """A checkout, its copy, and names of new files."""
    first = deployed.checkout
    copy = tmp_path_factory.mktemp("copies") / "copy"
    shutil.copytree(deployed.origin, copy)
    return first, copy, (copy.with_name(f"{number}.tar") for number in count())


@pytest.mark.long
def test_a_copy_asks_once_what_it_is(copied):
    first, copy, files = copied
    refused = driftline("backup", next(files), "--repository", copy)
    assert refused.returncode == 2 and f"is a copy of {first.path}: `driftline identity --new" in refused.stderr
    asked = driftline("backup", next(files), "--repository", copy, answer="y")
    assert "Make it a checkout of its own" in asked.stdout and asked.returncode == 0, asked.stderr
    again = driftline("backup", next(files), "--repository", copy, answer="y")
    assert "Make it" not in again.stdout and again.returncode == 0
    assert Home.of(copy).checkout.id != first.id == Home.of(first.path).checkout.id


@pytest.mark.long
def test_who_answers_no_is_told_the_commands(copied):
    first, copy, files = copied
    refused = driftline("backup", next(files), "--repository", copy, answer="n")
    assert refused.returncode == 2 and "identity --replace" in refused.stderr
    assert "exclude each other" in driftline("identity", "--new", "--replace", "--repository", copy).stderr
    done = driftline("identity", "--replace", "--repository", copy)
    assert f"checkout   {first.id}, at {copy}" in done.stdout


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_backup_brings_records_and_notification_blocks_to_where_they_are_lost(api, deployed, tmp_path_factory):
    from prefect.blocks.notifications import SlackWebhook

    (deployed.origin / "prefect.yaml").write_text(
        "name: mails\ndeployments:\n- name: t\n  entrypoint: flows/rebuild.py:rebuild\n"
        "  parameters: {notify: slack-webhook/kept}\n"
    )
    subprocess.run("git add -A && git commit -qm y", shell=True, cwd=deployed.origin, check=True)
    run(deployed)
    SlackWebhook(url="https://hooks.slack.com/kept").save("kept", overwrite=True)
    file, place = tmp_path_factory.mktemp("kept") / "b.tar", deployed.origin.with_name(f"{deployed.origin.name}-new")
    said = driftline("backup", file, "--repository", deployed.origin)
    assert f"checkout {deployed.checkout.id} of mails, " in said.stdout and "1 notification blocks" in said.stdout
    with get_client(sync_client=True) as client:
        client.delete_block_document(client.read_block_document_by_name("kept", "slack-webhook").id)
    shutil.rmtree(deployed.origin), shutil.rmtree(deployed.folder)
    said = driftline("restore", file, place)
    assert "slack-webhook/kept: saved" in said.stdout and f"cd {place} && make setup" in said.stdout, said.stderr
    assert [one.name for one in records(place)] == ["run-1"] and Home.of(place).checkout.id == deployed.checkout.id
    with get_client(sync_client=True) as client:
        assert client.read_block_document_by_name("kept", "slack-webhook")
    assert driftline("restore", file, place).returncode == 2
