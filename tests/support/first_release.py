"""A team's clone of the first release, with parameters, a stage, an expectation and a measure of its own."""

from __future__ import annotations

import shutil

from tests.support.processes import TOP
from tests.support.real_pipeline import commit, edit, few_rows, run

FIRST = "a74df7eb6a3220c5ad9ae525a88427307a9969b2"
STAGE = '''"""Ours: counts the training rows of each label."""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq

from tasks import params, paths
from tasks.artefacts import write_json
from tasks.cli import run
from tasks.errors import Refused
from tasks.params import Section


class Params(Section):
    """Section ``count``."""

    least: int = 1


def main() -> None:
    counted = Counter(pq.read_table(paths.SPLITS / "train.parquet")["label"].to_pylist())
    if min(counted.values()) < params.load(Params, "count").least:
        raise Refused("a label has too few rows")
    write_json(dict(counted), paths.metrics("count"))


if __name__ == "__main__":
    run(main)
'''
PIPELINE = """  # Ours: how many rows each label has.
  count:
    cmd: python -m tasks.count
    params: [count]
    deps:
      - data/splits
      - tasks/count.py
      - tasks/artefacts.py
      - tasks/cli.py
      - tasks/errors.py
      - tasks/params.py
      - tasks/paths.py
    metrics:
      - metrics/count.json: {cache: false}
"""
EXPECTATION = (
    '        Rule("label_not_lower_case", "ExpectColumnValuesToMatchRegex", "label", {"regex": "^[a-z]+$"}),\n'
)
MEASURE = '        "ours": sum(map(str.__eq__, test["label"].to_pylist(), scored["prediction"].to_pylist())),\n'


def release(folder):
    """A clone of this repository whose last commit is this working tree."""
    run(TOP, "git", "clone", "-q", "--shared", str(TOP), str(folder))
    names = set(run(TOP, "git", "ls-files", "-co", "--exclude-standard").stdout.splitlines())
    for name in run(folder, "git", "ls-files").stdout.splitlines():
        if not (TOP / name).is_file():
            (folder / name).unlink()
    for name in names:
        if (TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, folder / name)
    if run(folder, "git", "status", "--porcelain").stdout:
        commit(folder)
    return folder


def team(folder, checkpoint):
    """The first release as a team has it: edited, committed, its own stage in the pipeline."""
    run(TOP, "git", "clone", "-q", "--shared", "--no-checkout", str(TOP), str(folder))
    run(folder, "git", "checkout", "-q", "-B", "main", FIRST)
    shutil.copytree(checkpoint, folder / "models/tiny")
    few_rows(folder)
    edit(folder, model__name="models/tiny", tokenize__max_length=32, finetune__epochs=1, count={"least": 2})
    edit(folder, finetune__checks_per_epoch=2, finetune__check_rows=50, drift__windows_a_year=12)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("seed: 7\n", "seed: 11   # ours\n"))
    (folder / "tasks/count.py").write_text(STAGE)
    insert(folder / "dvc.yaml", PIPELINE)
    insert(folder / "tasks/params.py", 'BESIDE = ("gate", "count")\n', before="\n\nclass Section(BaseModel)")
    insert(folder / "tasks/validate/rules.py", EXPECTATION, before='        _between("text_too_short"')
    insert(folder / "tasks/evaluate/__main__.py", MEASURE, before='        "baseline": of_baseline,')
    commit(folder)
    return folder


def insert(file, text, before=None):
    """Add text at the end of a file, or before the line that begins so."""
    old = file.read_text()
    assert before is None or old.count(before) == 1, f"{file}: {before}"
    file.write_text(old + text if before is None else old.replace(before, text + before))
