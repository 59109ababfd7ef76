"""Twenty attempts that always run, each for many of its kind: ``python -m tests.faults.fixed``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults import corruptions, environment, forked, kills, preload, template
from tests.faults.corruptions import Corruption
from tests.faults.environment import Failure
from tests.faults.kills import Kill
from tests.faults.outcome import GOOD, Attempt

STAGES = [stage for stage in forked.STAGES if stage not in ("evaluate", "explain", "drift", "report")]
SEED = 1
DAMAGED = (
    Corruption("models/classifier/model.safetensors", "a bit flipped", "score@current", cached=True),
    Corruption("data/splits/train.parquet", "cut off", "tokenize", cached=True),
    Corruption("data/landing/mails", "a bit flipped", "ingest@current"),
    Corruption("data/reference/raw.parquet", "zeros from some place on", "validate@reference"),
    Corruption("data/reference/validated.parquet", "a folder", "split"),
    Corruption("data/tokens/labels.json", "another type", "finetune"),
    Corruption("data/tokens/tokenizer/tokenizer.json", "a bit flipped", "finetune"),
    Corruption("models/base/tiny/model.safetensors", "cut off", "finetune"),
    Corruption("models/base/tiny/tokenizer.json", "emptied", "tokenize"),
    Corruption("models/classifier/config.json", "cut off", "score@current"),
    Corruption("behaviour.yaml", "another type", "score@reference"),
    Corruption("params.yaml", "zeros from some place on", "split"),
    Corruption("dvc.lock", "cut off", "split"),
)
FAILED = (
    Failure("split", "disk full (ENOSPC)"),
    Failure("tokenize", "disk fails on reading (EIO)"),
    Failure("split", "folders that may not be written"),
    Failure("tokenize", "a file that may not be read"),
)
KILLED = (Kill("split", "SIGKILL"), Kill("tokenize", "SIGTERM"), Kill("score@current", "SIGKILL"))


def attempts(place: Path) -> Iterator[Attempt]:
    """Each in its turn, always with the same random numbers."""
    forked.import_all(pages=False)
    made, seconds = template.make(place / "template", STAGES, other=False), {}
    for number, what in enumerate(DAMAGED):
        yield corruptions.attempt(made, what, place / "attempt", SEED, number)
    for number, what in enumerate(FAILED, len(DAMAGED)):
        if found := environment.attempt(made, what, place / "attempt", SEED, number):
            yield found
    for number, what in enumerate(KILLED, len(DAMAGED) + len(FAILED)):
        yield kills.attempt(made, what, place / "attempt", SEED, number, seconds)


def main() -> int:
    """Print what came of each; exit code 1 if one is not as it should be."""
    with tempfile.TemporaryDirectory() as place:
        preload.start(Path(place), "tests.faults.fixed")
        bad = 0
        for attempt in attempts(Path(place)):
            bad += attempt.verdict not in GOOD
            print(f"{attempt.verdict}: {attempt.what}, {attempt.how}, {attempt.stage}: {attempt.detail}", flush=True)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
