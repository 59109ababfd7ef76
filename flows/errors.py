"""What ends a run of a flow and is told in its own words.

Nothing else is expected to end one; whatever does is a bug, and recorded and told as well.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from tasks.core.errors import UserError


class FlowError(UserError):
    """The base: its first line says what failed, the same for the same cause, so that an incident is known by it."""

    exit_code: ClassVar[int] = 1
    """Of the command that it ends: the work failed."""


class GitFailed(FlowError):
    """A git command that did not end well; the message is what it said."""


class StageFailed(FlowError):
    """A stage ended with an error; the message is its last output."""


class TookTooLong(StageFailed):
    """A command was ended because its time was over."""


class UnknownStage(FlowError):
    """A stage was named that dvc.yaml does not have."""

    exit_code = UserError.exit_code


class TooLittleSpace(FlowError):
    """What is free on the disk is less than the stage took when it last ran."""


class NotFetched(FlowError):
    """Data could not be brought from a DVC remote, nor rows from a declared source."""


class NotPublished(FlowError):
    """The record is in the deployed repository, but did not reach a remote."""


class Busy(FlowError):
    """Another run holds the lock, and the policy is not to wait."""

    exit_code = UserError.exit_code


class Copied(UserError):
    """A checkout was copied with its id, and nobody has said yet which of the two is which."""

    def __init__(self, copy: Path, other: Path) -> None:
        self.copy, self.other = copy, other
        where = f"--repository {shlex.quote(str(copy))}"
        super().__init__(
            f"{copy} is a copy of {other}: `driftline identity --new {where}` makes it a checkout of its own, "
            f"`driftline identity --replace {where}` lets it take the other's place"
        )
