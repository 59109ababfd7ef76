"""When to refit: a rule, what is known at the end of a window, and the decision with its reasons. No Prefect, no clock.

The same function decides in ``flows.monitoring`` and in the backtest, so that what was replayed is what will happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flows.parameters import Policy, Word
from flows.windows.ranges import UtcMoment


@dataclass(frozen=True)
class Facts:
    """What is known when a window has closed."""

    at: UtcMoment
    """The end of the window."""
    trained_until: UtcMoment | None
    """The end of what the active model was trained on."""
    tried_at: UtcMoment | None
    """The end of the window that last set off a refit, whatever came of it."""
    word: Word
    """The verdict on the window."""
    alarm: bool
    accuracy_then: float | None
    """On held-out reference rows."""
    accuracy_now: float | None
    accuracy_is: Literal["measured", "estimated"] | None
    labelled: int
    """Rows of the window that have a label."""


@dataclass(frozen=True)
class Decision:
    """Whether to refit, and why or why not."""

    refit: bool
    reasons: list[str]

    def __str__(self) -> str:
        return f"{'refit' if self.refit else 'no refit'}: {'; '.join(self.reasons)}"


def decide(policy: Policy, facts: Facts) -> Decision:
    """What the policy says of a closed window; what stands against a refit that it wants is said too."""
    wanted, why = _wanted(policy, facts)
    against = list(_against(policy, facts)) if wanted else []
    return Decision(wanted and not against, [why, *against])


def _wanted(policy: Policy, facts: Facts) -> tuple[bool, str]:
    if policy.refit_on == "never":
        return False, "the policy is never to refit"
    if policy.refit_on == "alarm":
        return facts.alarm, f"the window is {facts.word}: {'an alarm' if facts.alarm else 'no alarm'}"
    if policy.refit_on in ("harmful", "unusual"):
        return facts.word == policy.refit_on, f"the window is {facts.word}"
    if policy.refit_on == "schedule":
        return _overdue(policy, facts)
    return _lost(policy, facts)


def _overdue(policy: Policy, facts: Facts) -> tuple[bool, str]:
    if facts.trained_until is None:
        return True, "the end of what the model was trained on is not known"
    days = (facts.at - facts.trained_until).total_seconds() / 86400
    return (
        days >= policy.every_days,
        f"newest training row {days:g} days old, a refit is due after {policy.every_days:g}",
    )


def _lost(policy: Policy, facts: Facts) -> tuple[bool, str]:
    if facts.accuracy_now is None or facts.accuracy_then is None:
        return False, "accuracy in this window is neither measured nor estimated"
    loss = facts.accuracy_then - facts.accuracy_now
    words = f"{facts.accuracy_is} accuracy {facts.accuracy_now:.3f}, {facts.accuracy_then:.3f} on held-out rows"
    return loss >= policy.tolerated_loss, f"{words}: {loss:+.3f} lost, {policy.tolerated_loss:g} tolerated"


def _against(policy: Policy, facts: Facts) -> list[str]:
    found = []
    if not facts.labelled:
        found.append("no row of the window has a label to train on")
    since = [(what, at) for what, at in (("trained", facts.trained_until), ("tried", facts.tried_at)) if at]
    for what, at in since:
        days = (facts.at - at).total_seconds() / 86400
        if days < policy.cooldown_days:
            found.append(f"last {what} {days:g} days before, within the cooldown of {policy.cooldown_days:g}")
    return found
