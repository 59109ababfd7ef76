"""Stages killed at a random moment, then run again: the outputs are those of a run that nobody disturbed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults import forked
from tests.faults.outcome import Attempt, last_line
from tests.faults.template import Template, digests, random

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
HEAVY = ("validate@reference", "validate@current", "drift", "explain", "finetune")  # seconds each
LIGHT = 6  # times as many of the others


@dataclass(frozen=True)
class Kill:
    """A stage, and what ends it."""

    stage: str
    how: str


def all_kills(count: int) -> Iterator[Kill]:
    """So many kills, of every stage; quick stages more often."""
    turns = [stage for stage in forked.STAGES for _ in range(1 if stage in HEAVY else LIGHT)]
    for number in range(count):
        yield Kill(turns[number % len(turns)], list(SIGNALS)[number // len(turns) % len(SIGNALS)])


def attempt(template: Template, what: Kill, place: Path, seed: int, number: int, seconds: dict[str, float]) -> Attempt:
    """``seconds``: how long each stage takes; it is learned on the way."""
    folder, draw = template.copy(place), random(seed, number)
    after = float(draw.uniform(0, seconds.get(what.stage, 1.0)))
    killed = forked.run(what.stage, folder, kill=(after, SIGNALS[what.how]))
    said = "Traceback (most recent call last)" in killed.said
    left = [str(file.relative_to(folder)) for file in folder.rglob(".*.part")] if what.how == "SIGTERM" else []
    again = forked.run(what.stage, folder)
    if again.code == 0:
        seconds[what.stage] = again.seconds
    now = digests(folder)
    differing = [name for name in template.expected if now.get(name) != template.expected[name]]
    verdict = "traceback" if said else "wrong" if again.code or differing or left else "same"
    shutil.rmtree(folder / ".checkpoints", ignore_errors=True)
    detail = f"after {after:.2f} s, code {killed.code}; again: code {again.code} {differing[:3]} {left} "
    detail += last_line(killed if said else again) if verdict != "same" else ""
    return Attempt("kill", what.how, "at a random moment", what.stage, verdict, detail, killed.seconds + again.seconds)
