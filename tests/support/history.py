"""A small repository with a history: weeks of mail whose words change, and stages of a few lines each."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import datetime, timedelta

STAGES = """
stages:
  validate:
    foreach: [reference, current]
    do:
      cmd: python pipe.py validate ${item}
      params: [ingest, "windows.${item}"]
      deps: [rows.csv, data/labels]
      outs: ["data/${item}/validated.parquet"]
  finetune:
    cmd: python pipe.py finetune
    deps: [data/reference/validated.parquet, pipe.py]
    outs: [models/classifier, data/splits]
    metrics: [metrics/split.json: {cache: false}]
  score:
    foreach: {reference: {rows: data/splits}, current: {rows: data/current/validated.parquet}}
    do:
      cmd: python pipe.py score ${key}
      deps: ["${item.rows}", models/classifier]
      outs: ["data/${key}/scored.parquet"]
  drift:
    cmd: python pipe.py drift
    deps: [data/splits, data/reference/scored.parquet, data/current/scored.parquet]
    metrics: [metrics/drift.json: {cache: false}]
"""
PARAMS = """
seed: 7
model: {name: "%s"}
windows:
  reference: {from: null, until: "2026-01-15"}
  current: {from: "2026-01-15", until: "2026-01-22"}
ingest:
  source: rows.csv
  columns: {text: text, label: label, timestamp: day, id: id}
split: {similarity: null}
tokenize: {max_length: 16}
drift: {permutations: 99}
gate: {rule: better, max_calibration_error: null}
"""
PIPE = """
import csv, json, pathlib, sys
from datetime import UTC, datetime
import pyarrow as pa, pyarrow.parquet as pq
from ruamel.yaml import YAML

def table(path): return pq.read_table(path).to_pylist()

def write(rows, path, kinds):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}), path)

S, T = pa.string(), pa.timestamp("us", tz="UTC")
ROW = {"id": S, "text": S, "label": S, "timestamp": T, "source_file": S, "source_row": pa.int64()}

def answer(row):
    known = json.load(open("models/classifier/words.json"))
    label = known.get(row["text"].split()[0])
    return {"id": row["id"], "prediction": label or "ham", "confidence": 0.9 if label else 0.5}

def validate(window):
    params = YAML(typ="safe").load(open("params.yaml"))
    span = params["windows"][window]
    columns = span.get("columns") or params["ingest"]["columns"]
    rows = []
    for place, row in enumerate(csv.DictReader(open("rows.csv"))):
        if (span["from"] or "") <= row["day"] < (span["until"] or "9"):
            when = datetime.fromisoformat(row["day"]).replace(tzinfo=UTC)
            label = row["label"] if columns["label"] else None
            rows.append({**row, "label": label, "timestamp": when, "source_file": "rows.csv", "source_row": place})
    write(rows, f"data/{window}/validated.parquet", ROW)

def finetune():
    rows = table("data/reference/validated.parquet")
    train, test = rows[::2], rows[1::2]
    pathlib.Path("models/classifier").mkdir(parents=True, exist_ok=True)
    words = {row["text"].split()[0]: row["label"] for row in train}
    json.dump(words, open("models/classifier/words.json", "w"), sort_keys=True)
    write(test, "data/splits/test.parquet", ROW)
    pathlib.Path("metrics").mkdir(exist_ok=True)
    json.dump({"rows": {"train": len(train)}}, open("metrics/split.json", "w"))

SCORED = {"id": S, "prediction": S, "confidence": pa.float64()}

def score(window):
    rows = table("data/splits/test.parquet" if window == "reference" else "data/current/validated.parquet")
    write([answer(row) for row in rows], f"data/{window}/scored.parquet", SCORED)

def drift():
    said = {row["id"]: row for row in table("data/reference/scored.parquet")}
    test, current = table("data/splits/test.parquet"), table("data/current/scored.parquet")
    right = sum(said[row["id"]]["prediction"] == row["label"] for row in test) / len(test)
    unsure = sum(row["confidence"] < 0.9 for row in current) / len(current)
    labelled = sum(row["label"] is not None for row in table("data/current/validated.parquet"))
    found = {"reference_accuracy": right, "estimated_accuracy": 1 - unsure / 2}
    reason = f"{unsure:.0%} unsure, {labelled} labels seen"
    json.dump({"drifted": unsure > 0.1, "reason": reason, "performance": found}, open("metrics/drift.json", "w"))

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
NEW = {"ham": ["kernel", "list"], "spam": ["click", "win"]}  # from the fourth week on


def rows():
    """Forty mails a day for five weeks, each text its own; the fourth week has no ham."""
    for number in range(5 * 7 * 40):
        week, day = number // 280, datetime(2026, 1, 1) + timedelta(days=number // 40)
        label = "spam" if number // 3 % 2 or week == 3 else "ham"
        words = NEW[label] if week >= 3 and number % 5 < 2 else WORDS[label]
        text = f"{words[number // 6 % 2]} {['list', 'thanks', 'monday', 'offer'][number % 3]} {number}"
        yield {"id": f"{number:05}", "text": text, "label": label, "day": f"{day:%Y-%m-%d}"}


def make(folder, model):
    """Write and commit the repository; the encoder is the checkpoint in ``model``."""
    (folder / "tasks" / "score").mkdir(parents=True)
    (folder / "data" / "labels").mkdir(parents=True)
    (folder / "data" / "labels" / ".gitkeep").touch()
    files = {"dvc.yaml": STAGES, "params.yaml": PARAMS % model, "pipe.py": PIPE, "tasks/score/__main__.py": SCORE}
    files |= {"tasks/__init__.py": "", "tasks/score/__init__.py": "", ".gitignore": "__pycache__\nreports\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "label", "day"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())
    for command in ("git init -qb main", "dvc init -q", "dvc config core.analytics false", "git add -A"):
        run(folder, *command.split())
    run(folder, "git", "commit", "-qm", "first")


def run(folder, *command):
    subprocess.run([sys.executable, "-m", *command] if command[0] == "dvc" else command, cwd=folder, check=True)


def figures(folder):
    """What the backtest says of each policy, but for the time it took."""
    said = json.loads((folder / "reports" / "backtest.json").read_text())
    for step in (step for of in said["windows"].values() for step in of):
        (step["refit"] or {}).pop("seconds", None)
    return {policy: {**one, "seconds": 0} for policy, one in said["policies"].items()}, said["windows"]
