"""What a verdict that changed nothing says to type."""

from __future__ import annotations

import pytest

from flows.champion.proposal import what_follows


@pytest.mark.parametrize(
    ("may", "revision", "rule", "typed"),
    [
        (True, "HEAD", None, "`driftline promote` acts"),
        (True, "HEAD", "not_worse", "`driftline promote --rule not_worse` acts"),
        (True, "training-a-1", "not_worse", "`driftline promote --commit training-a-1 --rule not_worse` acts"),
        (
            False,
            "training-a-1",
            "not_worse",
            "does not allow it, and only `driftline promote --commit training-a-1 --force`",
        ),
    ],
)
def test_the_command_promotes_what_was_judged_by_the_same_rule(may, revision, rule, typed):
    assert typed in what_follows(may, revision, rule)
