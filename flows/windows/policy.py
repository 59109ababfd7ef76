"""When to refit: a rule, what is known at the end of a window, and the decision with its reasons. No Prefect, no clock.

The same function decides in ``flows.monitoring`` and in the backtest, so that what was replayed is what will happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Policy = Literal["never", "schedule", "alarm", "estimated_loss"]
Act = Literal["nothing", "train", "promote"]
"""What follows a due refit: it is only said; it is trained and judged; it is also promoted if the gate allows."""


@dataclass(frozen=True)
class Rules:
    """What is asked for."""

    policy: Policy = "never"
    every_days: float = 28.0
    """``schedule``: refit when the model's newest training row is this old."""
    cooldown_days: float = 7.0
    """No refit within this time of the last one, or of the last try."""
    most_loss: float = 0.02
    """``estimated_loss``: how much accuracy may be lost before a refit."""


@dataclass(frozen=True)
class Facts:
    """What is known when a window has closed."""

    at: datetime
    """The end of the window."""
    trained_until: datetime | None
    """The end of what the active model was trained on."""
    tried_at: datetime | None
    """The end of the window that last set off a refit, whatever came of it."""
    drifted: bool | None
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


def decide(rules: Rules, facts: Facts) -> Decision:
    """What the policy says of a closed window; what stands against a refit that it wants is said too."""
    wanted, why = _wanted(rules, facts)
    against = list(_against(rules, facts)) if wanted else []
    return Decision(wanted and not against, [why, *against])


def _wanted(rules: Rules, facts: Facts) -> tuple[bool, str]:
    if rules.policy == "never":
        return False, "the policy is never to refit"
    if rules.policy == "alarm":
        return facts.drifted is True, {True: "drift", False: "no drift", None: "no verdict on drift"}[facts.drifted]
    if rules.policy == "schedule":
        return _overdue(rules, facts)
    return _lost(rules, facts)


def _overdue(rules: Rules, facts: Facts) -> tuple[bool, str]:
    if facts.trained_until is None:
        return True, "the end of what the model was trained on is not known"
    days = (facts.at - facts.trained_until).total_seconds() / 86400
    return days >= rules.every_days, f"newest training row {days:g} days old, a refit is due after {rules.every_days:g}"


def _lost(rules: Rules, facts: Facts) -> tuple[bool, str]:
    if facts.accuracy_now is None or facts.accuracy_then is None:
        return False, "accuracy in this window is neither measured nor estimated"
    loss = facts.accuracy_then - facts.accuracy_now
    words = f"{facts.accuracy_is} accuracy {facts.accuracy_now:.3f}, {facts.accuracy_then:.3f} on held-out rows"
    return loss >= rules.most_loss, f"{words}: {loss:+.3f} lost, {rules.most_loss:g} allowed"


def _against(rules: Rules, facts: Facts) -> list[str]:
    found = []
    if not facts.labelled:
        found.append("no row of the window has a label to train on")
    since = [(what, at) for what, at in (("trained", facts.trained_until), ("tried", facts.tried_at)) if at]
    for what, at in since:
        days = (facts.at - at).total_seconds() / 86400
        if days < rules.cooldown_days:
            found.append(f"last {what} {days:g} days before, within the cooldown of {rules.cooldown_days:g}")
    return found
