"""A refit: training with the reference window moved forward, then the gate, then promotion where it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from flows.champion import proposal
from flows.champion.registry import Version
from flows.machine.home import Home
from flows.monitoring.watch import params_at
from flows.runs import record
from flows.scheduled_training import nightly
from flows.windows.ranges import Span, moved
from tasks.core.errors import UserError
from tasks.gate import Rule

NEEDED = ["evaluate"]  # and what it reads: the current window of a refit lies in the future and has no rows yet


@dataclass(frozen=True)
class Refit:
    """How to refit, when a policy calls for it."""

    revision: str
    """What to train from: a branch, tag or commit."""
    promote: bool
    """Whether to act on the gate's verdict, or to leave that to a person."""
    rule: Rule
    stage_minutes: dict[str, float] | None
    upstream: str | None


def refit(home: Home, how: Refit, old: Version, seen: Span, because: str) -> str:
    """Train on all up to the end of the window seen, and let the gate judge: what came of it, in words.

    The caller holds no lock of the repository: training and promotion take their own.
    """
    windows = moved(params_at(home, old.commit), seen)
    state = nightly(
        repository=str(home.origin),
        revision=how.revision,
        stages=NEEDED,
        windows=windows,
        because=because,
        stage_minutes=how.stage_minutes,
        upstream=how.upstream,
        return_state=True,
    )
    if not state.is_completed():
        return f"the refit failed: {state.message}"
    made = next(one for one in record.records(home.origin) if record.show(home.origin, one).get("because") == because)
    try:
        outcome = proposal.propose(home, made.commit, how.promote, False, how.rule, how.upstream)
    except UserError as failure:
        return f"{made.name} was trained, but could not be judged: {failure}"
    last = "" if how.promote else f"\nto promote it: python -m flows.promotion --commit {made.name} --promote"
    return f"{made.name} was trained\n{outcome.words}{last}"
