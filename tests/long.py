"""The slow tests, and the property tests with new examples, in pieces of at most nine minutes: ``make test-long``.

A piece is a file's slow tests, or all property tests drawn by a seed. What has passed of this code is kept in
``.long/`` and not run again, so that a run that was ended goes on where it was; ``--minutes`` ends it by itself. When
all pieces are through, the table in tests/LONG.md is written. Exit code 0: all passed; 1: not all; 3: to be continued.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

TOP = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("LONG.md")
PIECE_SECONDS = 530
DRAWS = 3
OUTCOME = re.compile(r"^(tests/\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", re.M)


@dataclass
class Piece:
    """Some tests, and what came of them so far."""

    arguments: list[str]
    outcomes: dict[str, str] = field(default_factory=dict)
    """By test; those that a piece ended in the middle of are missing."""
    seconds: float = 0.0
    complete: bool = False

    @property
    def failed(self) -> list[str]:
        return [test for test, outcome in self.outcomes.items() if outcome in ("FAILED", "ERROR")]


def pieces(seed: int) -> dict[str, Piece]:
    """All there are, by name."""
    files = sorted(file for file in (TOP / "tests").rglob("test_*.py") if "mark.slow" in file.read_text("utf-8"))
    names = [str(file.relative_to(TOP)) for file in files]
    found = {name: Piece([name, "-m", "slow and not soak"]) for name in names}
    for draw in range(seed, seed + DRAWS):
        drawn = ["--hypothesis-profile=random", f"--hypothesis-seed={draw}"]
        found[f"property tests, seed {draw}"] = Piece(["tests", "-m", "hypothesis and not slow and not soak", *drawn])
    return found


def go_on(piece: Piece, seconds: float) -> None:
    """Run what has not passed yet, for so many seconds at most."""
    passed = [f"--deselect={test}" for test, outcome in piece.outcomes.items() if outcome not in ("FAILED", "ERROR")]
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *piece.arguments, *passed]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # fixtures end what they started
        said, _ = process.communicate()
        print(f"  stopped after {seconds:.0f} s")
    else:
        piece.complete = process.returncode in (0, 1, 5)  # 5: all of them have passed before
    before = len(piece.outcomes)
    piece.outcomes |= dict(OUTCOME.findall(said))
    piece.seconds += time.monotonic() - started
    if piece.failed or not (piece.complete or len(piece.outcomes) > before):
        print(said[-6000:])


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=TOP, capture_output=True, text=True, check=True).stdout.strip()


def table(commit: str, done: dict[str, Piece]) -> str:
    """What came of each piece, in Markdown."""
    lines = [
        "# The last long run of the tests",
        "",
        f"`make test-long`, {datetime.now(UTC):%Y-%m-%d}, commit {commit[:7]}, {platform.machine()}, {os.cpu_count()} "
        f"cores, {sum(piece.seconds for piece in done.values()) / 60:.0f} minutes in all. Written by `tests/long.py`.",
        "",
        "| what | passed | failed | skipped | seconds |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, piece in done.items():
        count = Counter(piece.outcomes.values())
        passed = count["PASSED"] + count["XFAIL"]
        lines.append(f"| {name} | {passed} | {len(piece.failed)} | {count['SKIPPED']} | {piece.seconds:.0f} |")
    return "\n".join([*lines, *(f"\nFailed: `{test}`" for piece in done.values() for test in piece.failed), ""])


def main() -> None:
    """Go on with the long run of this commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin nothing new after so many")
    parser.add_argument("--seed", type=int, help="of the first draw of the property tests (default: a new one)")
    parser.add_argument("--only", metavar="WORD", help="the pieces whose name holds this; no table is written")
    given = parser.parse_args()
    changed = git("diff", "HEAD")
    commit = git("rev-parse", "HEAD") + (f"-{sha256(changed.encode()).hexdigest()[:8]}" if changed else "")
    kept = TOP / ".long" / f"{commit}.json"
    state = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    seed = state.get("seed", random.SystemRandom().randrange(10**6) if given.seed is None else given.seed)
    found = {name: Piece(**state.get("pieces", {}).get(name, asdict(piece))) for name, piece in pieces(seed).items()}
    asked = {name: piece for name, piece in found.items() if not given.only or given.only in name}
    print(f"commit {commit}, {len(asked)} pieces, seed {seed}")
    deadline = time.monotonic() + 60 * given.minutes
    for name, piece in asked.items():
        while (not piece.complete or piece.failed) and (left := deadline - time.monotonic()) > 0:
            before = len(piece.outcomes)
            print(name, flush=True)
            go_on(piece, min(PIECE_SECONDS, left))
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps({"seed": seed, "pieces": {n: asdict(p) for n, p in found.items()}}), "utf-8")
            if piece.failed or len(piece.outcomes) == before:
                break  # this call has tried; the next one tries again
    if any(not piece.complete and not piece.failed for piece in asked.values()):
        print("not all pieces are through: run it again to go on")
        sys.exit(3)
    if not given.only:
        TABLE.write_text(table(commit, found), encoding="utf-8")
        print(f"written: {TABLE.relative_to(TOP)}")
    sys.exit(any(piece.failed for piece in asked.values()))


if __name__ == "__main__":
    main()
