"""What came of the attempts, between the marks of docs/reliability.md; how often each was tried: RESULTS.md beside."""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.outcome import GOOD, Attempt

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
DETAILS = Path(__file__).parent / "RESULTS.md"
INTRODUCTION = """# Faults, attempt by attempt

Written by `make faults`: how often each fault was tried. What came of it: [reliability](../../docs/reliability.md).

```sh
make faults                              # pieces of at most nine minutes; run it again to go on (exit code 3)
python -m tests.faults --seed 7          # another seed; without one it is drawn and printed
python -m tests.faults --only "kill "    # some of the attempts, again
python -m tests.faults.fixed             # the twenty that run in CI
```

The real stages run on a tiny checkpoint and every eighth mail. It needs a C compiler; a full tmpfs is tried where the
user may mount one.

- **Corruptions**: one file, in the working tree or also in DVC's cache, is cut off, emptied, replaced, zeroed from some
  place on, gone, a folder, or has one bit flipped; then the stage that reads it runs.
- **Failing machines**: a full, failing or read-only disk, a used-up quota, missing permissions, too many open files, a
  limit on memory or file size, a clock that jumps. Then the machine is well again, the stage runs once more, and
  nothing may differ.
- **Kills**: SIGKILL, SIGTERM or Ctrl-C at a random moment of a stage, which then runs again.

*Refused* is one sentence with the file's name (or the limit) and a remedy."""
BEGIN, END = "<!-- make faults -->", "<!-- end -->"
BAD = ("wrong", "silent", "traceback", "unnamed", "crash")


def write(attempts: list[Attempt], seed: int) -> None:
    """Put the overview into the page, and write the details."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    heading, overview = _heading(attempts, seed), "\n".join(_overview(attempts))
    PAGE.write_text(f"{before}{BEGIN}\n\n{heading}\n\n{overview}\n\n{END}{after}", encoding="utf-8")
    details = "\n\n".join([INTRODUCTION, heading, *map("\n".join, _by_group(attempts))])
    DETAILS.write_text(f"{details}\n", encoding="utf-8")


def _heading(attempts: list[Attempt], seed: int) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    seconds = sum(attempt.seconds for attempt in attempts)
    return (
        f"Seed {seed}, {len(attempts)} attempts, {datetime.now(UTC):%Y-%m-%d}, on {commit.stdout.strip()}, "
        f"{platform.machine()}, one process beside others; {seconds / 60:.0f} minutes in stages."
    )


def _overview(attempts: list[Attempt]) -> list[str]:
    heads = ("group", "attempts", "refused in a sentence", "ended as undisturbed", "another input", *BAD)
    rows = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for group in dict.fromkeys(attempt.group for attempt in attempts):
        counts = Counter(attempt.verdict for attempt in attempts if attempt.group == group)
        cells = [counts.total(), *(counts[name] for name in (*GOOD, *BAD))]
        rows.append(f"| {group} | {' | '.join(map(str, cells))} |")
    return rows


def _by_group(attempts: list[Attempt]) -> list[list[str]]:
    """For each group, attempts and how many of them were not as they should be, by what and how."""
    tables = []
    for group, across in (("corruption", "how"), ("environment", "stage"), ("kill", "stage")):
        chosen = [attempt for attempt in attempts if attempt.group == group]
        downs = list(dict.fromkeys(attempt.what for attempt in chosen))
        columns = list(dict.fromkeys(getattr(attempt, across) for attempt in chosen))
        counts = Counter((attempt.what, getattr(attempt, across)) for attempt in chosen)
        rows = [f"| {group} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
        rows += [f"| {down} | {' | '.join(str(counts[down, column] or '') for column in columns)} |" for down in downs]
        tables.append(rows)
    stages = Counter((attempt.stage, attempt.group) for attempt in attempts)
    groups = list(dict.fromkeys(attempt.group for attempt in attempts))
    rows = [f"| stage | {' | '.join(groups)} |", f"|---|{'---:|' * len(groups)}"]
    rows += [
        f"| {stage} | {' | '.join(str(stages[stage, group]) for group in groups)} |"
        for stage in dict.fromkeys(attempt.stage for attempt in attempts)
    ]
    return [*tables, rows]
