"""The tests that .ci/run leaves out, and the property tests with new examples: ``make test-long``.

A piece is a file's tests that are marked long, or all property tests drawn by a seed; it takes at most nine minutes
at a time. What has passed of this code is kept in ``.long/`` and not run again, so that a run that was interrupted or
killed goes on where it was; ``--minutes`` ends it by itself. When all pieces are through, or have failed, the table in
tests/LONG.md is written; ``--table`` writes it of what there is, and names the pieces that are not through. Exit code
0: all passed; 1: not all; 3: to be continued; 130: interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import psutil

TOP = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("LONG.md")
PIECE_SECONDS = 530
DRAWS = 3
OUTCOME = re.compile(r"^(tests/\S+::.*?) (?:.*\n(?!tests/))*?(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", re.M)
"""A test's own words may stand between its name and what came of it."""
TO_END = 60  # seconds for the fixtures to end what they started


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
    files = sorted(file for file in (TOP / "tests").rglob("test_*.py") if "mark.long" in file.read_text("utf-8"))
    names = [str(file.relative_to(TOP)) for file in files]
    found = {name: Piece([name, "-m", "long and not soak"]) for name in names}
    for draw in range(seed, seed + DRAWS):
        drawn = ["--hypothesis-profile=random", f"--hypothesis-seed={draw}"]
        found[f"property tests, seed {draw}"] = Piece(["tests", "-m", "hypothesis and (not slow or proof)", *drawn])
    return found


def go_on(piece: Piece, seconds: float, log: Path) -> None:
    """Run what has not passed yet, for so many seconds at most; pytest's own words are in the log."""
    before = len(piece.outcomes)
    piece.outcomes |= outcomes(log)  # of a run that was killed
    passed = [f"--deselect={test}" for test, outcome in piece.outcomes.items() if outcome not in ("FAILED", "ERROR")]
    if (file := TOP / piece.arguments[0]).is_file() and "mark.in_order" in file.read_text("utf-8"):
        passed = []  # its tests lean on those before them
    command = [sys.executable, "-u", "-m", "pytest", "-v", "-p", "no:cacheprovider", *piece.arguments, *passed]
    started = time.monotonic()
    log.unlink(missing_ok=True)  # a pytest that outlived its killed parent goes on writing to the old one
    with log.open("x", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=TOP, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=file)
        try:
            piece.complete = process.wait(timeout=seconds) in (0, 1, 5)  # 5: all of them have passed before
        except subprocess.TimeoutExpired:
            print(f"  stopped after {seconds:.0f} s")
        finally:
            end(process)
            piece.outcomes |= outcomes(log)
            piece.seconds += time.monotonic() - started
    if piece.failed or not (piece.complete or len(piece.outcomes) > before):
        print(log.read_text(encoding="utf-8")[-6000:])


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt pytest, so that fixtures end what they started, and kill what is left of it."""
    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def outcomes(log: Path) -> dict[str, str]:
    return dict(OUTCOME.findall(log.read_text(encoding="utf-8"))) if log.exists() else {}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=TOP, capture_output=True, text=True, check=True).stdout.strip()


def code() -> str:
    """What tells this state of the repository from others; the table is not part of it."""
    others = ["--", ".", f":!{TABLE.relative_to(TOP)}"]
    state = git("ls-files", "--stage", *others) + git("diff", *others)
    return sha256(state.encode()).hexdigest()[:12]


def table(done: dict[str, Piece]) -> str:
    """What came of each piece, in Markdown."""
    commit = git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "-uno") else "")
    lines = [
        "# The last long run of the tests",
        "",
        f"`make test-long`, {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {platform.machine()}, {os.cpu_count()} "
        f"cores, {sum(piece.seconds for piece in done.values()) / 60:.0f} minutes in all. Written by `tests/long.py`.",
        "",
        "| what | passed | failed | skipped | seconds |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, piece in done.items():
        count = Counter(piece.outcomes.values())
        passed = count["PASSED"] + count["XFAIL"]
        what = name if piece.complete else f"{name}, **not through**"
        lines.append(f"| {what} | {passed} | {len(piece.failed)} | {count['SKIPPED']} | {piece.seconds:.0f} |")
    return "\n".join([*lines, *(f"\nFailed: `{test}`" for piece in done.values() for test in piece.failed), ""])


def run(asked: dict[str, Piece], folder: Path, minutes: float, keep: Callable[[], None]) -> None:
    """Each piece until it is through, has failed, or the minutes are over."""
    deadline = time.monotonic() + 60 * minutes
    for name, piece in asked.items():
        log = folder / f"{re.sub('[^a-z0-9_]+', '-', name)}.log"
        while (not piece.complete or piece.failed) and (left := deadline - time.monotonic()) > 0:
            before = len(piece.outcomes)
            print(name, flush=True)
            try:
                go_on(piece, min(PIECE_SECONDS, left), log)
            finally:
                keep()
            if piece.failed or len(piece.outcomes) == before:
                break  # this call has tried; the next one tries again


def main() -> None:
    """Go on with the long run of this code."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin nothing new after so many")
    parser.add_argument("--seed", type=int, help="of the first draw of the property tests (default: a new one)")
    parser.add_argument("--only", metavar="WORD", help="the pieces whose name holds this; no table is written")
    parser.add_argument("--table", action="store_true", help="write the table of what there is, and run nothing")
    given = parser.parse_args()
    folder = TOP / ".long" / code()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "state.json"
    state = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    seed = state.get("seed", random.SystemRandom().randrange(10**6) if given.seed is None else given.seed)
    found = {name: Piece(**state.get("pieces", {}).get(name, asdict(piece))) for name, piece in pieces(seed).items()}
    asked = {name: piece for name, piece in found.items() if not given.only or given.only in name}

    def keep() -> None:
        new = kept.with_suffix(".new")  # a kill in the middle of writing leaves the last state
        new.write_text(json.dumps({"seed": seed, "pieces": {n: asdict(p) for n, p in found.items()}}), "utf-8")
        new.replace(kept)

    if given.table:
        TABLE.write_text(table(found), encoding="utf-8")
        return
    keep()
    print(f"commit {git('rev-parse', '--short', 'HEAD')}, {len(asked)} pieces, seed {seed}; logs in {folder}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(asked, folder, given.minutes, keep)
    except KeyboardInterrupt:
        print("interrupted: run it again to go on")
        sys.exit(130)
    if any(not piece.complete and not piece.failed for piece in asked.values()):
        print("not all pieces are through: run it again to go on")
        sys.exit(3)
    if not given.only:
        TABLE.write_text(table(found), encoding="utf-8")
        print(f"written: {TABLE.relative_to(TOP)}")
    sys.exit(any(piece.failed for piece in asked.values()))


if __name__ == "__main__":
    main()
