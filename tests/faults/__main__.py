"""Damage, kill and starve single stages, in pieces of at most nine minutes: ``make faults``.

A seed is drawn and printed, or given with ``--seed``. What was tried is kept in ``.faults/``: a run that was ended goes
on where it was. When all is through, the tables in docs/reliability.md and RESULTS.md are written. Exit code 0: nothing
was wrong; 1: something was, and its line says what; 3: to be continued.
"""

from __future__ import annotations

import argparse
import json
import os
import random as chance
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.faults import preload, table
from tests.faults.outcome import GOOD, Attempt

TOP = Path(__file__).parents[2]
PLACE = TOP / ".faults"
KILLS, PIPELINES, DRAWS = 180, 30, 2  # kills of stages and of whole pipelines; draws of what is random
Work = Callable[[Path, int], Attempt | None]


def main() -> int:
    """Go on with the attempts for so many minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="of what is random; by default drawn")
    parser.add_argument("--minutes", type=float, default=8.5, help="after which it stops, to be continued")
    parser.add_argument("--only", default="", help="a pattern of the names of attempts, which are tried again")
    given = parser.parse_args()
    PLACE.mkdir(exist_ok=True)
    preload.start(PLACE, "tests.faults")
    seed = _seed(given.seed)
    print(f"seed {seed}; {PLACE} holds what was tried", flush=True)
    until = time.monotonic() + 60 * given.minutes
    done = _done()
    drawn = list(_all(seed))
    chance.Random(seed).shuffle(drawn)  # a run that was ended early has tried something of everything
    work = {name: one for name, one in drawn if re.search(given.only, name)}
    for name, one in work.items():
        if name in done and not given.only:
            continue
        if time.monotonic() > until:
            print(f"{len(done)} of {len(work)} attempts; run it again to go on")
            return 3
        _try(name, one, done)
    bad = [attempt for attempt in done.values() if attempt and attempt.verdict not in GOOD]
    if not given.only:
        table.write([attempt for attempt in done.values() if attempt], seed)
    for attempt in bad:
        print(f"{attempt.verdict}: {attempt.what}, {attempt.how}, {attempt.stage}: {attempt.detail}")
    print(f"{len(done)} attempts, {len(bad)} not as they should be")
    return bool(bad)


def _try(name: str, one: Work, done: dict[str, Attempt | None]) -> None:
    place = PLACE / f"attempt-{os.getpid()}"
    attempt = one(place, len(done))
    shutil.rmtree(place, ignore_errors=True)
    done[name] = attempt
    with (PLACE / "attempts.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"name": name, "attempt": asdict(attempt) if attempt else None}) + "\n")
    if attempt and attempt.verdict not in GOOD:
        print(f"{attempt.verdict}: {attempt.what}, {attempt.how}, {attempt.stage}: {attempt.detail}", flush=True)


def _all(seed: int) -> Iterator[tuple[str, Work]]:
    """Every attempt by its name; the same names and random numbers for the same seed."""
    from tests.faults import corruptions, environment, forked, kills, pipelines, template

    forked.import_all()
    made = template.make(PLACE / "template")
    seconds: dict[str, float] = {}
    for number, what in enumerate(corruptions.all_corruptions(DRAWS)):
        yield (
            f"corruption {number} {what.path} {what.how} {what.stage}",
            lambda place, _, what=what, number=number: corruptions.attempt(made, what, place, seed, number),
        )
    for number, what in enumerate(environment.all_failures()):
        yield (
            f"environment {number} {what.how} {what.stage}",
            lambda place, _, what=what, number=number: environment.attempt(made, what, place, seed, 10_000 + number),
        )
    for number, what in enumerate(kills.all_kills(KILLS)):
        yield (
            f"kill {number} {what.how} {what.stage}",
            lambda place, _, what=what, number=number: kills.attempt(made, what, place, seed, 20_000 + number, seconds),
        )
    expected: dict[str, bytes] = {}
    for number in range(PIPELINES):
        yield (
            f"kill {number} of {pipelines.WHOLE}",
            lambda place, _, number=number: pipelines.attempt(place, seed, 30_000 + number, expected),
        )


def _seed(given: int | None) -> int:
    """The seed of the run that is to be continued, or a new one."""
    file = PLACE / "seed"
    if given is None and file.exists():
        return int(file.read_text())
    seed = chance.randrange(2**31) if given is None else given
    if file.exists() and seed != int(file.read_text()):
        (PLACE / "attempts.jsonl").unlink(missing_ok=True)
    file.write_text(str(seed))
    return seed


def _done() -> dict[str, Attempt | None]:
    file = PLACE / "attempts.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    return {line["name"]: Attempt(**line["attempt"]) if line["attempt"] else None for line in lines}


if __name__ == "__main__":
    sys.exit(main())
