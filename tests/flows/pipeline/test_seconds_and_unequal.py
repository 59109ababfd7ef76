"""What `driftline run` ends with."""

from __future__ import annotations

import sys

import pytest
import typer

from flows.cli import pipeline
from flows.pipeline import guard, seconds, unequal


def stage(deps, outs, params=None, cmd="python"):
    def entries(found):
        return [{"path": path, "md5": md5} for path, md5 in found.items()]

    return {"cmd": cmd, "deps": entries(deps), "outs": entries(outs), "params": params or {}}


def test_only_what_the_same_inputs_made_otherwise_is_named():
    then = {
        "a_report": stage({"models/classifier": "1", "metrics/a.json": "1"}, {"reports/index.html": "1"}),
        "finetune": stage({"tasks/finetune": "1"}, {"models/classifier": "1", "reports/curves.csv": "1"}),
        "score": stage({"models/classifier/weights": "1"}, {"data/scored.parquet": "1"}),
        "split": stage({"tasks/split": "1"}, {"data/splits": "1"}),
    }
    assert unequal.outputs(then, then) == []
    now = then | {
        "finetune": stage({"tasks/finetune": "1"}, {"models/classifier": "2", "reports/curves.csv": "1"}),
        "score": stage({"models/classifier/weights": "2"}, {"data/scored.parquet": "2"}),
        "a_report": stage({"models/classifier": "2", "metrics/a.json": "1"}, {"reports/index.html": "2"}),
        "split": stage({"tasks/split": "2"}, {"data/splits": "2"}),
    }
    assert sorted(unequal.outputs(then, now)) == ["data/scored.parquet", "models/classifier", "reports/index.html"]
    edited = now | {"finetune": stage({"tasks/finetune": "2"}, {"models/classifier": "2", "reports/curves.csv": "1"})}
    assert unequal.outputs(then, edited) == [], "the code of finetune is another"
    tuned = now | {"finetune": then["finetune"] | {"params": {"x": 1}, "outs": now["finetune"]["outs"]}}
    assert unequal.outputs(then, tuned) == []


def test_the_line_says_why_and_what_puts_it_back(tmp_path, monkeypatch):
    lock = "schema: '2.0'\nstages:\n  finetune:\n    cmd: x\n    outs:\n    - {path: models/classifier, md5: 'MD5'}\n"
    lock += "    - {path: reports/index.html, md5: 'MD5'}\n"
    assert list(unequal.lines(tmp_path)) == []
    (tmp_path / "dvc.lock").write_text(lock.replace("MD5", "1"))
    monkeypatch.setattr(unequal, "git", lambda *_: lock.replace("MD5", "1"))
    assert list(unequal.lines(tmp_path)) == []
    (tmp_path / "dvc.lock").write_text(lock.replace("MD5", "2"))
    (line,) = unequal.lines(tmp_path)
    assert "models/classifier, reports/index.html: it was made on another kind of processor than" in line
    assert line.endswith("`git checkout dvc.lock metrics && dvc checkout` puts it back")


def test_the_table_adds_up_and_a_stage_cannot_write_into_the_page():
    lines = seconds.table({"<b>": {"imports": 1, "reading": 2, "computing": 3, "writing": 4}}, 12.5)
    assert lines[1].split() == ["<b>", "1.0", "2.0", "3.0", "4.0", "10.0"]
    assert lines[2].split() == ["all", "1.0", "2.0", "3.0", "4.0", "10.0"]
    assert "12.5 s on the clock" in lines[3]
    assert "<b>" not in seconds.page(lines)


DVC = """Running stage 'split':
Updating lock file 'dvc.lock'

train 103  validation 20  test 27
To track the changes with git, run:

\tgit add dvc.lock

To enable auto staging, run:

\tdvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
"""


def test_what_dvc_says_of_git_at_the_end_of_a_run_is_left_out(monkeypatch, tmp_path, capsys):
    start = guard.start
    monkeypatch.chdir(tmp_path)
    code = f"import sys; print({DVC!r}); sys.exit(len(sys.argv) - 1)"
    monkeypatch.setattr(guard, "start", lambda command, **more: start([sys.executable, "-c", code], **more))
    assert pipeline._reproduce([]) == {"Running stage 'split':", "train 103  validation 20  test 27"}
    assert capsys.readouterr().out.splitlines() == ["Running stage 'split':", "train 103  validation 20  test 27"]
    monkeypatch.setattr(guard, "start", lambda command, **more: start([sys.executable, "-c", code, "1"], **more))
    with pytest.raises(typer.Exit):
        pipeline._reproduce([])
