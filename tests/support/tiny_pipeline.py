"""The pipeline with a table of words for a model: the real stages' names and order, all of it in seconds.

Left out is what only a real model or a person needs: tokenize, pretrain, explain, report. tests/test_tiny_pipeline.py
holds the rest to ``dvc.yaml``. Two data sets: ``spring``, four months whose words change in March and whose new rows
are partly unlabelled, and ``weeks``, five weeks whose words change in the fourth, which has no ham.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

STAGES = """
artifacts:
  classifier: {path: models/classifier, type: model}
stages:
  ingest:
    foreach: [reference, current]
    do:
      cmd: python pipe.py ingest ${item}
      params: [ingest, "windows.${item}"]
      deps: [rows.csv, data/labels]
      outs: ["data/${item}/raw.parquet"]
  validate:
    foreach: [reference, current]
    do:
      cmd: python pipe.py validate ${item}
      deps: ["data/${item}/raw.parquet"]
      outs: ["data/${item}/validated.parquet"]
  split:
    cmd: python pipe.py split
    deps: [data/reference/validated.parquet]
    outs: [data/splits]
    metrics: [metrics/split.json: {cache: false}]
  finetune:
    cmd: python pipe.py finetune
    deps: [data/splits, pipe.py]
    outs: [models/classifier]
  score:
    foreach: {reference: {rows: data/splits}, current: {rows: data/current/validated.parquet}}
    do:
      cmd: python pipe.py score ${key}
      deps: ["${item.rows}", models/classifier]
      outs: ["data/${key}/scored.parquet"]
  evaluate:
    cmd: python pipe.py evaluate
    deps: [data/splits, data/reference/scored.parquet]
    metrics: [metrics/evaluate.json: {cache: false}]
  drift:
    cmd: python pipe.py drift
    deps: [data/splits, data/reference/scored.parquet, data/current/validated.parquet, data/current/scored.parquet]
    metrics: [metrics/drift.json: {cache: false}]
"""
PARAMS = """
seed: 7
model: {name: "%(model)s"}   # a comment that stays
windows:
  reference: {from: null, until: "%(until)s"}
  current: {from: "%(until)s", until: "%(end)s"}
ingest:
  source: rows.csv
  columns: {text: text, label: label, timestamp: day, id: id}
split: {similarity: null}
tokenize: {max_length: 16}
drift: {permutations: 99}
gate: {rule: better, max_calibration_error: null}
"""
PIPE = """
import csv, json, pathlib, shutil, sys
from datetime import UTC, datetime
import pyarrow as pa, pyarrow.parquet as pq
from ruamel.yaml import YAML

S, T = pa.string(), pa.timestamp("us", tz="UTC")
ROW = {"id": S, "text": S, "label": S, "timestamp": T, "source_file": S, "source_row": pa.int64()}
SCORED = {"id": S, "prediction": S, "confidence": pa.float64()}

def table(path): return pq.read_table(path).to_pylist()

def write(rows, path, kinds):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}), path)

def figures(stage, **found):
    pathlib.Path("metrics").mkdir(exist_ok=True)
    json.dump(found, open(f"metrics/{stage}.json", "w"))

def answer(row):
    known = json.load(open("models/classifier/words.json"))
    label = known.get(row["text"].split()[0])
    return {"id": row["id"], "prediction": label or "ham", "confidence": 0.9 if label else 0.5}

def ingest(window):
    params = YAML(typ="safe").load(open("params.yaml"))
    span = params["windows"][window]
    labelled = (span.get("columns") or params["ingest"]["columns"])["label"]
    late = {}
    if span.get("labels"):
        files = pathlib.Path("data/labels").glob("*.csv")
        late = {row["id"]: row["label"] for file in files for row in csv.DictReader(open(file))}
    rows = []
    for place, row in enumerate(csv.DictReader(open("rows.csv"))):
        if (span["from"] or "") <= row["day"] < (span["until"] or "9"):
            when = datetime.fromisoformat(row["day"]).replace(tzinfo=UTC)
            label = (late.get(row["id"], row["label"]) or None) if labelled else None
            rows.append({**row, "label": label, "timestamp": when, "source_file": "rows.csv", "source_row": place})
    if not rows: sys.exit(f"error: windows.{window} is empty")
    write(rows, f"data/{window}/raw.parquet", ROW)

def validate(window): shutil.copy(f"data/{window}/raw.parquet", f"data/{window}/validated.parquet")

def split():
    rows = [row for row in table("data/reference/validated.parquet") if row["label"]]
    parts = {"train": [row for i, row in enumerate(rows) if i // 2 % 2 == 0]}
    parts["test"] = [row for i, row in enumerate(rows) if i // 2 % 2]
    for name, part in parts.items(): write(part, f"data/splits/{name}.parquet", ROW)
    figures("split", rows={name: len(part) for name, part in parts.items()})

def finetune():
    pathlib.Path("models/classifier").mkdir(parents=True, exist_ok=True)
    words = {row["text"].split()[0]: row["label"] for row in table("data/splits/train.parquet")}
    json.dump(words, open("models/classifier/words.json", "w"), sort_keys=True)

def score(window):
    rows = table("data/splits/test.parquet" if window == "reference" else "data/current/validated.parquet")
    write([answer(row) for row in rows], f"data/{window}/scored.parquet", SCORED)

def accuracy():
    said = {row["id"]: row["prediction"] for row in table("data/reference/scored.parquet")}
    rows = table("data/splits/test.parquet")
    return sum(said[row["id"]] == row["label"] for row in rows) / len(rows), len(rows)

def evaluate():
    right, rows = accuracy()
    ends = {"macro_f1": [right, right], "difference": [0.0, 0.0]}
    figures("evaluate", rows=rows, accuracy=right, macro_f1=right, difference=0.0, baseline={"macro_f1": right},
            intervals=ends)

def drift():
    sides = [table(f"data/{window}/scored.parquet") for window in ("reference", "current")]
    unsure = [sum(row["confidence"] < 0.9 for row in rows) / len(rows) for rows in sides]
    drifted = unsure[1] - unsure[0] > 0.1
    labelled = sum(row["label"] is not None for row in table("data/current/validated.parquet"))
    expected, (right, rows) = 1 - unsure[1] / 2, accuracy()
    figures("drift", drifted=drifted, reason=f"{unsure[1]:.0%} of answers unsure, {labelled} labels seen",
            signals={"confidence": {"alarm": drifted}},
            distances={"current": {"confidence": abs(unsure[1] - unsure[0]) + 0.01}, "past": []},
            performance={"reference_accuracy": right, "reference_rows": rows, "estimated_accuracy": expected,
                         "interval": [expected - 0.02, min(1, expected + 0.02)]})

if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
"""
SCORE = """
import argparse, sys
sys.path.insert(0, ".")
from pipe import S, SCORED, answer, table, write
parser = argparse.ArgumentParser()
parser.add_argument("--input"), parser.add_argument("--output")
given = parser.parse_args()
write([{**row, **answer(row)} for row in table(given.input)], given.output, {"label": S, **SCORED})
"""
WORDS = {"ham": ["meeting", "patch"], "spam": ["money", "prize"]}
CHANGED = {"ham": ["kernel", "list"], "spam": ["click", "win"]}  # in ``weeks``, from the fourth on
NEW = {"ham": ["invoice"], "spam": ["bitcoin"]}  # in ``spring``, from March on
Row = dict[str, str]


def spring() -> Iterator[Row]:
    """Ten rows a day of January to April; from March on, half of them in new words and half of those unlabelled."""
    for day in range(120):
        for i in range(10):
            label = "spam" if i % 2 else "ham"
            new = day >= 59 and i >= 5
            word = (NEW if new else WORDS)[label][0 if new else day % 2]
            known = "" if new and i == 9 else label
            yield {"id": f"{day:03}-{i}", "text": word, "label": known, "day": str(date(2026, 1, 1) + timedelta(day))}


def weeks() -> Iterator[Row]:
    """Forty mails a day for five weeks, each text its own; the fourth week has no ham."""
    for number in range(5 * 7 * 40):
        week, day = number // 280, date(2026, 1, 1) + timedelta(days=number // 40)
        label = "spam" if number // 3 % 2 or week == 3 else "ham"
        words = CHANGED[label] if week >= 3 and number % 5 < 2 else WORDS[label]
        text = f"{words[number // 6 % 2]} {['list', 'thanks', 'monday', 'offer'][number % 3]} {number}"
        yield {"id": f"{number:05}", "text": text, "label": label, "day": str(day)}


def make_spring(folder: Path) -> None:
    """A repository of ``spring``: January to learn from, February to watch; run and committed."""
    write(folder, spring(), {"model": "words", "until": "2026-02-01", "end": "2026-03-01"})
    run(folder, sys.executable, "-m", "dvc", "repro", "-q")
    commit(folder)


def make_weeks(folder: Path, model: Path) -> None:
    """A repository of ``weeks``: two to learn from, the third to watch; committed, not run. ``model``: the encoder."""
    write(folder, weeks(), {"model": str(model), "until": "2026-01-15", "end": "2026-01-22"})
    commit(folder)


def write(folder: Path, rows: Iterator[Row], params: dict[str, str]) -> None:
    """The files of the repository."""
    (folder / "tasks" / "score").mkdir(parents=True)
    (folder / "data" / "labels").mkdir(parents=True)
    (folder / "data" / "labels" / ".gitkeep").touch()
    files = {"dvc.yaml": STAGES, "params.yaml": PARAMS % params, "pipe.py": PIPE, "tasks/score/__main__.py": SCORE}
    files |= {"tasks/__init__.py": "", "tasks/score/__init__.py": "", ".gitignore": "__pycache__\nreports\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "label", "day"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for command in ("git init -qb main", "dvc init -q", "dvc config core.analytics false"):
        run(folder, *command.split())


def commit(folder: Path) -> None:
    """Commit all there is."""
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first")


def run(folder: Path, *command: str) -> str:
    """What a command says; it has to succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(identity: dict[str, str]) -> dict[str, str]:
    """What the repository's commands need beside what is set: ``python`` and ``dvc`` are this environment's."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **identity}
