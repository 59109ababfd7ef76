"""Which code watches: the champion's own, of its commit, and what has changed on the deployed branch since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flows.errors import GitFailed
from flows.machine.git import git
from flows.machine.home import Home
from flows.machine.version import version_in
from tasks.core.paths import PARAMS
from tasks.core.yaml_files import parse_yaml

CODE = ("tasks", "*.py", "dvc.yaml", "params.yaml", "behaviour.yaml", "environment.json")
NOT_CODE = ("flows", "tests", "bench", "data", "docs")


@dataclass(frozen=True)
class CodeAge:
    """Of the champion's commit, in words by ``str``."""

    commit: str
    release: str | None
    """Of Driftline."""
    committed: datetime
    revision: str
    """With which it is compared."""
    changed: tuple[str, ...]
    """Files of code and parameters that differ there."""

    def __str__(self) -> str:
        release = f"release {self.release}, " if self.release else ""
        days = (datetime.now(UTC) - self.committed).days
        of = f"{release}commit {self.commit[:12]}, {days} days old"
        if not self.changed:
            return f"{of}, as at {self.revision}"
        files = f"{len(self.changed)} files" if len(self.changed) > 1 else self.changed[0]
        return (
            f"{of}; {files} changed at {self.revision} since, which monitoring does not run: "
            "`driftline upgrade --champion`"
        )


def code_age(home: Home, commit: str, revision: str = "HEAD") -> CodeAge:
    """Of the code at a commit, compared with the revision. GitFailed where that is not known.

    ``windows`` are no code: a refit moves them.
    """
    where = [*CODE, *(f":(exclude){path}" for path in NOT_CODE)]
    changed = git(home.origin, "diff", "--name-only", "--no-renames", commit, revision, "--", *where).splitlines()
    if str(PARAMS) in changed and _params(home, commit) == _params(home, revision):
        changed.remove(str(PARAMS))
    moment = datetime.fromtimestamp(int(git(home.origin, "show", "--no-patch", "--format=%ct", commit)), UTC)
    return CodeAge(commit, _release(home, commit), moment, revision, tuple(changed))


def _params(home: Home, commit: str) -> dict[str, object] | None:
    """``params.yaml`` without its windows; None where the commit has none."""
    try:
        content = parse_yaml(git(home.origin, "show", f"{commit}:./{PARAMS}"), PARAMS)
    except GitFailed:
        return None
    return {key: value for key, value in (content or {}).items() if key != "windows"}


def _release(home: Home, commit: str) -> str | None:
    try:
        return version_in(git(home.origin, "show", f"{commit}:./pyproject.toml"))
    except (GitFailed, KeyError, ValueError):
        return None
