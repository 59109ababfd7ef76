"""What a verdict that changed nothing says to type."""

from __future__ import annotations

import pytest

from flows.champion.proposal import typed_again


@pytest.mark.parametrize(
    ("revision", "rule", "typed"),
    [
        ("HEAD", None, "driftline promote"),
        ("HEAD", "not_worse", "driftline promote --rule not_worse"),
        ("training-a-1", "not_worse", "driftline promote --commit training-a-1 --rule not_worse"),
    ],
)
def test_the_command_promotes_what_was_judged_by_the_same_rule(revision, rule, typed):
    assert typed_again(revision, rule) == typed
