"""A record leaves its clone: to the repository it was cloned from, and further where that is configured."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from flows.git import GitFailed, git
from flows.home import Home
from flows.record import Record, push
from flows.stage import StageFailed, guarded
from tasks.errors import Refused

TRIES = 4
WAIT = wait_random_exponential(multiplier=2, max=60)
WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


class NotPublished(Exception):
    """The record is in the deployed repository, but did not reach a remote."""


def publish_record(home: Home, folder: Path, saved: Record, upstream: str | None, say: Callable[[str], None]) -> None:
    """Push to the deployed repository, then the data to DVC's default remote, then the record to ``upstream``.

    In this order, so that nobody finds a record whose data is not there. Raises GitFailed or NotPublished.
    """
    push(folder, saved)
    if _default_remote(folder):
        _again(lambda: _push_data(folder, say), f"the data of {saved.name}", folder)
    if upstream:
        if WITH_PASSWORD.search(git(home.origin, "remote", "get-url", "--push", upstream)):
            raise Refused(f"the git remote {upstream} has a password in its URL: use a credential helper or a key")
        _again(lambda: push(home.origin, saved, upstream), f"{saved.name} to {upstream}", folder)
    say(f"recorded as {saved.name}: see `dvc exp show`, rebuild with `python -m flows.verify {saved.name}`")


def _default_remote(folder: Path) -> str | None:
    with Repo(str(folder)) as repo:
        name: str | None = repo.config["core"].get("remote")
    return name


def _push_data(folder: Path, say: Callable[[str], None]) -> None:
    code, last = guarded([sys.executable, "-m", "dvc", "--cd", str(folder), "push"], say)
    if code:
        raise StageFailed("\n".join(last))


def _again(act: Callable[[], None], what: str, folder: Path) -> None:
    """Try what touches the network a few times, with growing random pauses."""
    tries = stop_after_attempt(TRIES)
    try:
        Retrying(stop=tries, wait=WAIT, retry=retry_if_exception_type((GitFailed, StageFailed)), reraise=True)(act)
    except (GitFailed, StageFailed) as failure:
        raise NotPublished(f"could not push {what}, after {TRIES} tries; it is safe in {folder}: {failure}") from None
