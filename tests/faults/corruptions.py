"""One file damaged, then the stage that reads it: a sentence names the file, or nothing differs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.faults import forked
from tests.faults.outcome import Attempt, judge, last_line, names
from tests.faults.template import Template, digests, random

READERS = {
    "data/samples/spamassassin.parquet": "ingest@current",
    "data/landing/mails": "ingest@current",
    "data/reference/raw.parquet": "validate@reference",
    "data/current/raw.parquet": "validate@current",
    "data/released.csv": "validate@current",
    "data/reference/validated.parquet": "split",
    "data/splits/train.parquet": "tokenize evaluate explain report",
    "data/splits/validation.parquet": "tokenize score@reference drift",
    "data/splits/test.parquet": "evaluate score@reference drift",
    "data/tokens/train.parquet": "finetune",
    "data/tokens/validation.parquet": "finetune",
    "data/tokens/labels.json": "finetune",
    "data/tokens/tokenizer/tokenizer.json": "finetune",
    "data/tokens/tokenizer/tokenizer_config.json": "finetune",
    "models/base/tiny/model.safetensors": "finetune",
    "models/base/tiny/config.json": "tokenize",
    "models/base/tiny/tokenizer.json": "tokenize",
    "models/base/tiny/tokenizer_config.json": "tokenize",
    "models/classifier/model.safetensors": "score@current score@reference explain report",
    "models/classifier/config.json": "score@current score@reference explain",
    "models/classifier/tokenizer.json": "score@current explain",
    "models/classifier/tokenizer_config.json": "score@current",
    "data/current/validated.parquet": "score@current drift",
    "behaviour.yaml": "score@reference evaluate",
    "data/reference/scored.parquet": "evaluate explain drift",
    "data/reference/behaviour.parquet": "evaluate",
    "data/current/scored.parquet": "drift",
    "data/reference/baseline.parquet": "evaluate",
    "data/current/baseline.parquet": "drift",
    "models/baseline/model.safetensors": "score@current",
    "models/baseline/config.json": "score@current",
    "models/baseline/vocab.json": "score@current",
    "metrics/baseline.json": "report",
    "data/reference/embeddings.npy": "drift",
    "data/current/embeddings.npy": "drift",
    "metrics/validate_reference.json": "drift report",
    "metrics/validate_current.json": "drift report",
    "metrics/ingest_reference.json": "report",
    "metrics/split.json": "report",
    "metrics/tokenize.json": "report",
    "metrics/finetune.json": "report",
    "metrics/evaluate.json": "report",
    "metrics/drift.json": "report",
    "reports/curves.csv": "report",
    "data/reference/quarantine.parquet": "report",
    "data/current/quarantine.parquet": "report",
    "params.yaml": "split tokenize",
    "dvc.lock": "split evaluate drift",
}
OF_GIT = ("data/samples", "data/released.csv", "models/base/tiny", "behaviour.yaml", "params.yaml", "dvc.lock")
KINDS = {
    ".parquet": "parquet",
    ".npy": "npy",
    ".csv": "csv",
    ".yaml": "yaml",
    ".safetensors": "safetensors",
    ".lock": "dvc.lock",
}


def kind_of(path: str) -> str:
    """What kind of artefact a file is."""
    if path == "data/landing/mails":
        return "landed part"
    if Path(path).name in ("tokenizer.json", "config.json", "tokenizer_config.json", "params.yaml"):
        return Path(path).name
    return KINDS.get(Path(path).suffix, "json")


Damage = Callable[[bytes, bytes, np.random.Generator], bytes]


def _flipped(content: bytes, _: bytes, random: np.random.Generator) -> bytes:
    made = bytearray(content)
    made[random.integers(len(made))] ^= 1 << int(random.integers(8))
    return bytes(made)


def _half_zero(content: bytes, _: bytes, random: np.random.Generator) -> bytes:
    start = int(random.integers(len(content)))
    return content[:start] + bytes(len(content) - start)


DAMAGES: dict[str, Damage] = {
    "cut off": lambda content, _, random: content[: int(random.integers(1, len(content)))],
    "a bit flipped": _flipped,
    "emptied": lambda *_: b"",
    "zeros from some place on": _half_zero,
    "another type": lambda _, __, random: (
        b"\x89PNG\r\n\x1a\n" + random.bytes(200),
        b"\x80\x04K\x01.\xff\xfe{\x1b[31m",
        b"[1, 2]\n",
        b"<html>no</html>",
    )[int(random.integers(4))],
    "another run's": lambda _, other, __: other,
}
ON_DISK = ("gone", "a folder")


@dataclass(frozen=True)
class Corruption:
    """What is done to a file, and which stage then reads it; ``cached``: its copy in DVC's cache is damaged too."""

    path: str
    how: str
    stage: str
    cached: bool = False


def all_corruptions(draws: int) -> Iterator[Corruption]:
    """Every file, damage and reader, what is random as often as ``draws``."""
    for draw in range(draws):
        for path, stages in READERS.items():
            for stage in stages.split():
                for how in DAMAGES if draw else (*DAMAGES, *ON_DISK):
                    if draw == 0 or how in ("cut off", "a bit flipped", "zeros from some place on"):
                        yield Corruption(path, how, stage)
    for path, stages in READERS.items():
        if not path.startswith((*OF_GIT, "data/landing", "metrics")):
            for how in ("cut off", "a bit flipped", "emptied"):
                yield Corruption(path, how, stages.split()[0], cached=True)


def attempt(template: Template, what: Corruption, place: Path, seed: int, number: int) -> Attempt:
    """Damage a copy of the template and run the stage there."""
    folder, draw = template.copy(place, cache=what.cached), random(seed, number)
    path = _landed(folder) if what.path == "data/landing/mails" else what.path
    content = (folder / path).read_bytes()
    expected = digests(folder) if what.path == "data/landing/mails" else template.expected
    _damage(folder, template, path, what, content, draw)
    ended = forked.run(what.stage, folder)
    now = digests(folder)
    changed = [name for name in now if now[name] != expected.get(name) and name != path and not path.startswith(name)]
    named = [*names(path), what.path]
    of_git = what.path.startswith(OF_GIT) and not what.cached
    verdict = judge(ended, changed, named, input_of_git=of_git)
    if what.cached and verdict == "refused" and _in_cache(folder, content).exists():
        verdict = "wrong"  # the damaged copy would be checked out again
    kind = f"{kind_of(what.path)}, in DVC's cache too" if what.cached else kind_of(what.path)
    detail = f"{path}: {last_line(ended)} {changed[:3] if verdict == 'silent' else ''}"
    return Attempt("corruption", kind, what.how, what.stage, verdict, detail, ended.seconds)


def _damage(folder: Path, template: Template, path: str, what: Corruption, content: bytes, draw) -> None:
    file = folder / path
    if what.how == "gone":
        file.unlink()
        return
    if what.how == "a folder":
        file.unlink()
        file.mkdir()
        return
    other = template.other / path
    damaged = DAMAGES[what.how](content, other.read_bytes() if other.exists() else content[::-1], draw)
    if what.cached:
        object = _in_cache(folder, content)
        object.chmod(0o644)
        object.write_bytes(damaged)
        object.chmod(0o444)
    file.write_bytes(damaged)


def _in_cache(folder: Path, content: bytes) -> Path:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def _landed(folder: Path) -> str:
    """Make the source a landing of one part, whose name holds its hash."""
    source = (folder / "data/samples/spamassassin.parquet").read_bytes()
    part = f"data/landing/mails/000001-{hashlib.sha256(source).hexdigest()[:16]}.parquet"
    (folder / part).parent.mkdir(parents=True)
    (folder / part).write_bytes(source)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("data/samples/spamassassin.parquet", "data/landing/mails"))
    (folder / ".git").unlink()
    for words in ("init --quiet", f"add --force {part}"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True)
    shutil.rmtree(folder / "data/current", ignore_errors=True)
    return part
