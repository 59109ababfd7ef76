"""Try a sample of the mutants of some modules: ``python -m tests.mutation``."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.mutation import __doc__ as description
from tests.mutation.changes import Mutant, mutants, statement_lines, unchanged
from tests.mutation.forked import import_libraries, in_fork, passes, reach

MINUTES = 60  # of the tests once


class Tests:
    """The tests of some modules, and which of them reach a line."""

    def __init__(self, files: Sequence[Path], arguments: Sequence[str], slowest: float, log: Path) -> None:
        """Run all of them once. SystemExit: one fails as it is, so that a mutant's failure would say nothing."""
        found = in_fork(partial(reach, files, arguments), MINUTES * 60, log)
        if not found or not found[0]:
            raise SystemExit(f"the tests do not pass as they are:\n{log.read_text()[-4000:]}")
        _, self.lines, seconds, modules = found
        self.seconds = {test: took for test, took in seconds.items() if took < slowest}
        import_libraries(modules)
        for file in files:
            if self.kill(unchanged(file), log, most=5):
                raise SystemExit(f"tests fail on {file} unchanged, so each mutant would:\n{log.read_text()[-4000:]}")

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that reach what the mutant changes, the fastest first; outside of functions all that reach it."""
        lines: Mapping[int, list[str]] = self.lines[str(mutant.file)]
        where = statement_lines(mutant.file.read_text(encoding="utf-8"), mutant.line)
        reaching = {test for line in where or lines for test in lines.get(line, ()) if test in self.seconds}
        return sorted(reaching or ([] if where else self.seconds), key=lambda test: self.seconds[test])

    def kill(self, mutant: Mutant, log: Path, most: int | None = None) -> bool:
        """Whether one of the tests, or of the ``most`` fastest of them, fails on the mutant or does not end."""
        tests = self.of(mutant)[:most]
        limit = 20 + round(5 * sum(self.seconds[test] for test in tests))
        original = mutant.file.read_text(encoding="utf-8")
        mutant.file.write_text(mutant.source, encoding="utf-8")
        try:
            return bool(tests) and not in_fork(partial(passes, tests), limit, log)
        finally:
            mutant.file.write_text(original, encoding="utf-8")


def main() -> None:
    """Print the mutants that survive, and how many do not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=description)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--tests", nargs="+", required=True, help="as pytest has them, -k and its like included")
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slowest", type=float, default=60, help="leave out tests that take this many seconds")
    parser.add_argument("--again", type=Path, help="an earlier output: only the mutants that survived there")
    given, rest = parser.parse_known_args()
    found = [mutant for file in sorted(given.files) for mutant in mutants(file)]
    chosen = random.Random(given.seed).sample(found, min(given.sample, len(found)))
    if given.again:
        names = given.again.read_text(encoding="utf-8")
        chosen = [mutant for mutant in found if f"survived: {mutant}\n" in names]
    with tempfile.TemporaryDirectory() as made:
        _enter_copy(Path(made) / "repository")
        log = Path(made) / "log"
        tests = Tests(given.files, [*given.tests, *rest], given.slowest, log)
        killed = sum([_tried(tests, mutant, log) for mutant in sorted(chosen)])
    print(f"{killed} of {len(chosen)} killed, of {len(found)} mutants of {' '.join(map(str, given.files))}")


def _tried(tests: Tests, mutant: Mutant, log: Path) -> bool:
    killed = tests.kill(mutant, log)
    if not killed:
        print(f"survived: {mutant}" if tests.of(mutant) else f"survived: {mutant}\n  no test reaches it", flush=True)
    return killed


def _enter_copy(folder: Path) -> None:
    """Work in a copy of the tracked files, so that the tests of mutants leave nothing here."""
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in ("", str(Path.cwd())))]
    os.chdir(folder)


if __name__ == "__main__":
    main()
