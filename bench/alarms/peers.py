"""What others say of the windows that ``bench.alarms`` watches: Evidently here, NannyML and alibi-detect in their own
environments."""

from __future__ import annotations

import json
import os
import subprocess
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.alarms.streams import STREAMS, Stream
from bench.alarms.watch import KEPT, kept_chances
from bench.corpora import Corpus
from bench.drift.peers import QUIET, environment, evidently
from tasks.core.files import write_json
from tasks.drift.rows import Rows

EVIDENTLY = ("Evidently: any column", "Evidently: half the columns")
SAID = KEPT / "evidently.json"
NANNY, ALIBI = KEPT / "nanny.jsonl", KEPT / "alibi.jsonl"


def ask_evidently(end: float) -> bool:
    """Its default preset on the windows that it was not asked of, in a random order; whether all are known.

    A text column of long texts takes it half a minute a window: what is known when the time is up is a random sample.
    """
    said = evidently_said()
    names = [
        (stream, file, name)
        for stream in STREAMS
        for file in sorted((KEPT / stream.file).glob("*.npz"))
        for name in _windows(file)
    ]
    for place in np.random.default_rng(7).permutation(len(names)):
        stream, file, window = names[place]
        key = f"{stream.file}/{file.stem}/{window}"
        if key in said:
            continue
        if time.monotonic() > end:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said[key] = evidently(*(_side(stream, file, side) for side in ("reference", window)))
        write_json(said, SAID)
    return True


def _windows(file: Path) -> list[str]:
    with np.load(file) as kept:
        names = [name.removesuffix(", rows") for name in kept.files if name.endswith(", rows")]
    return [name for name in names if name != "reference"]


@cache
def _corpus(stream: Stream) -> Corpus:
    return stream.load()


def _side(stream: Stream, file: Path, side: str) -> Rows:
    """Text, prediction and confidence."""
    kept, corpus = kept_chances(file), _corpus(stream)
    rows, chances = kept[f"{side}, rows"], kept[f"{side}, chances"]
    return Rows(
        len(rows),
        pa.array([corpus.texts[i] for i in rows], pa.large_string()),
        {"confidence": chances.max(axis=1).astype(np.float64)},
        {"prediction": kept["classes"][chances.argmax(axis=1)].astype(object)},
    )


def evidently_said() -> dict[str, dict[str, bool]]:
    """By stream, watch and window."""
    return json.loads(SAID.read_text()) if SAID.exists() else {}


def ask_nanny() -> None:
    """NannyML's CBPE on all watches that are kept."""
    _ask("nanny.py", "nanny_cbpe.py", NANNY)


def ask_alibi() -> None:
    """alibi-detect's TabularDrift on all watches that are kept."""
    _ask("alibi.py", "alibi_watches.py", ALIBI)


def _ask(packages: str, script: str, kept: Path) -> None:
    """Run a peer in its environment, and keep the lines that it prints."""
    folders = [str(KEPT / stream.file) for stream in STREAMS if (KEPT / stream.file).exists()]
    command = [str(environment(packages)), str(Path(__file__).parents[1] / "drift/environments" / script), *folders]
    with kept.open("w", encoding="utf-8") as file:
        subprocess.run(command, stdout=file, env=os.environ | QUIET, check=True)


def nanny_alerts() -> dict[str, dict[str, float]]:
    """The share of the window's chunks that NannyML alerts on, by watch and window."""
    return {one["watch"]: one["alerts"] for one in _lines(NANNY) if "alerts" in one}


def alibi_alarms() -> dict[str, dict[str, bool]]:
    """Whether alibi-detect says that the window drifted, by watch and window."""
    return {one["watch"]: one["alarms"] for one in _lines(ALIBI)}


def _lines(kept: Path) -> list[dict[str, Any]]:
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{")]
