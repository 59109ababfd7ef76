"""A small repository with the names of the pipeline's stages, whose model is a table of words: all of it in seconds."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
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
      params: ["windows.${item}"]
      deps: [rows.csv, data/labels]
      outs: ["data/${item}/validated.parquet"]
  finetune:
    cmd: python pipe.py finetune
    deps: [data/reference/validated.parquet, pipe.py]
    outs: [models/classifier, data/splits]
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
    deps: [data/reference/scored.parquet, data/current/scored.parquet]
    metrics: [metrics/drift.json: {cache: false}]
"""
PARAMS = """
seed: 7
model: {name: words}   # a comment that stays
windows:
  reference: {from: null, until: "2026-02-01"}
  current: {from: "2026-02-01", until: "2026-03-01"}
gate: {max_calibration_error: null}
"""
PIPE = """
import csv, json, pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
from ruamel.yaml import YAML

def table(path): return pq.read_table(path).to_pylist()

def write(rows, path, names):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    kinds = {name: pa.float64() if name == "confidence" else pa.string() for name in names}
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows], kinds[name]) for name in names}), path)

def answer(row):
    known = json.load(open("models/classifier/words.json"))
    label = known.get(row["text"])
    return {"id": row["id"], "prediction": label or "ham", "confidence": 0.9 if label else 0.5}

def ingest(window):
    span = YAML(typ="safe").load(open("params.yaml"))["windows"][window]
    rows = [row for row in csv.DictReader(open("rows.csv")) if (span["from"] or "") <= row["day"] < span["until"]]
    if span.get("labels"):
        files = pathlib.Path("data/labels").glob("*.csv")
        late = {row["id"]: row["label"] for file in files for row in csv.DictReader(open(file))}
        rows = [{**row, "label": late.get(row["id"], row["label"])} for row in rows]
    if not rows: sys.exit(f"error: windows.{window} is empty")
    rows = [{**row, "label": row["label"] or None} for row in rows]
    write(rows, f"data/{window}/validated.parquet", ["id", "text", "label"])

def finetune():
    rows = [row for row in table("data/reference/validated.parquet") if row["label"]]
    pathlib.Path("models/classifier").mkdir(parents=True, exist_ok=True)
    json.dump({row["text"]: row["label"] for row in rows}, open("models/classifier/words.json", "w"), sort_keys=True)
    write(rows, "data/splits/test.parquet", ["id", "text", "label"])

def score(window):
    rows = table("data/splits/test.parquet" if window == "reference" else "data/current/validated.parquet")
    write([answer(row) for row in rows], f"data/{window}/scored.parquet", ["id", "prediction", "confidence"])

def evaluate():
    said = {row["id"]: row["prediction"] for row in table("data/reference/scored.parquet")}
    rows = table("data/splits/test.parquet")
    right = sum(said[row["id"]] == row["label"] for row in rows) / len(rows)
    ends = {"macro_f1": [right, right], "difference": [0.0, 0.0]}
    figures = {"rows": len(rows), "accuracy": right, "macro_f1": right, "difference": 0.0}
    figures |= {"baseline": {"macro_f1": right}, "intervals": ends}
    pathlib.Path("metrics").mkdir(exist_ok=True)
    json.dump(figures, open("metrics/evaluate.json", "w"))

def drift():
    sides = [table(f"data/{window}/scored.parquet") for window in ("reference", "current")]
    unsure = [sum(row["confidence"] < 0.9 for row in rows) / len(rows) for rows in sides]
    drifted = unsure[1] - unsure[0] > 0.1
    signals = {"confidence": {"alarm": drifted}}
    json.dump({"drifted": drifted, "reason": f"{unsure[1]:.0%} of answers unsure", "signals": signals,
               "performance": {"estimated_accuracy": 1 - unsure[1] / 2}}, open("metrics/drift.json", "w"))

if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
"""
SCORE = """
import argparse, sys
sys.path.insert(0, ".")
from pipe import answer, table, write
parser = argparse.ArgumentParser()
parser.add_argument("--input"), parser.add_argument("--output")
given = parser.parse_args()
write([{**row, **answer(row)} for row in table(given.input)], given.output, ["id", "label", "prediction", "confidence"])
"""
WORDS = {"ham": ["meeting", "patch"], "spam": ["money", "prize"]}
NEW = {"ham": ["invoice"], "spam": ["bitcoin"]}  # of March: the model of January has never seen them


def rows():
    """Ten rows a day of January to April; from March on, half of them in new words and half of those unlabelled."""
    for day in range(120):
        for i in range(10):
            label = "spam" if i % 2 else "ham"
            new = day >= 59 and i >= 5
            word = (NEW if new else WORDS)[label][0 if new else day % 2]
            known = "" if new and i == 9 else label
            yield {"id": f"{day:03}-{i}", "text": word, "label": known, "day": str(date(2026, 1, 1) + timedelta(day))}


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(folder):
    """Write, run and commit the repository, in an environment where ``python`` and ``dvc`` are this one's."""
    (folder / "tasks" / "score").mkdir(parents=True)
    (folder / "data" / "labels").mkdir(parents=True)
    (folder / "data" / "labels" / ".gitkeep").touch()
    files = {"dvc.yaml": STAGES, "params.yaml": PARAMS, "pipe.py": PIPE, "tasks/score/__main__.py": SCORE}
    files |= {"tasks/__init__.py": "", "tasks/score/__init__.py": "", ".gitignore": "__pycache__\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "label", "day"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())
    for command in ("git init -qb main", "dvc init -q", "dvc config core.analytics false"):
        run(folder, *command.split())
    run(folder, sys.executable, "-m", "dvc", "repro", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first")


def environment(identity):
    """What the repository's commands need beside what is set."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **identity}
