"""Champion and challenger are compared in one precision, whatever each one's commit scores in."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.champion import comparison, precision, reissue
from flows.champion.verdict import Judged
from flows.runs import record
from flows.runs.run_record import Device
from tasks.core.errors import UserError

ROWS = 40
SCORE = """
import argparse, pathlib
import pyarrow as pa, pyarrow.parquet as pq
parser = argparse.ArgumentParser()
parser.add_argument("--input"), parser.add_argument("--output"), parser.add_argument("--precision", default="{own}")
given = parser.parse_args()
pathlib.Path("asked").write_text(given.precision)
rows = pq.read_table(given.input)
pq.write_table(rows.append_column("prediction", pa.array([given.precision] * len(rows))), given.output)
"""
KNOWS_NO_PRECISION = SCORE.replace('parser.add_argument("--precision", default="{own}")', "parser.set_defaults("
                                   'precision="{own}")')  # fmt: skip


def clone(folder, own):
    """What is compared of a commit that scores in ``own``; each row is answered with the precision of its scoring.

    None: of a release that knew fp32 alone.
    """
    said = own or "fp32"
    for name in ("tasks/score", "data/splits", "data/reference", "metrics"):
        (folder / name).mkdir(parents=True)
    for name in ("tasks/__init__.py", "tasks/score/__init__.py"):
        (folder / name).touch()
    (folder / "tasks/score/__main__.py").write_text((SCORE if own else KNOWS_NO_PRECISION).replace("{own}", said))
    section = f"score: {{precision: {own}}}\n" if own else ""
    (folder / "params.yaml").write_text(f"model: {{name: x}}\ngate: {{min_slice_rows: 5}}\n{section}")
    ids, labels = [f"r{i:02}" for i in range(ROWS)], ["fp32", "bf16"] * (ROWS // 2)
    pq.write_table(pa.table({"id": ids, "label": labels}), folder / "data/splits/test.parquet")
    pq.write_table(pa.table({"id": ids, "prediction": [said] * ROWS}), folder / "data/reference/scored.parquet")
    (folder / "metrics/evaluate.json").write_text(json.dumps({"rows": ROWS}))
    (folder / "metrics/score_reference.json").write_text(json.dumps({"precision": "bf16"} if own == "bf16" else {}))
    return folder


def asked(folder):
    """In which precision a clone's code was asked to score; None: it was not."""
    return (folder / "asked").read_text() if (folder / "asked").exists() else None


@pytest.mark.proof
@pytest.mark.parametrize(
    ("champion", "challenger", "common", "again"),
    [
        (None, "fp32", "fp32", None),
        (None, "bf16", "fp32", "fp32"),
        ("fp32", "bf16", "fp32", "fp32"),
        ("bf16", "fp32", "fp32", None),
        ("bf16", "bf16", "bf16", None),
    ],
)
def test_both_are_scored_in_one_precision(tmp_path, monkeypatch, champion, challenger, common, again):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    ours, theirs = clone(tmp_path / "champion", champion), clone(tmp_path / "challenger", challenger)
    found = comparison.compare(ours, theirs, None, Judged(champion="a", challenger="b"))
    assert (asked(ours), asked(theirs)) == (common, again)
    assert found.figures["precision"] == common
    assert found.figures["champion"]["accuracy"] == found.figures["challenger"]["accuracy"] == 0.5
    anew = "Both were scored in fp32, since their score.precision differs."
    assert (anew in found.reason) == ((champion or "fp32") != challenger)


@pytest.mark.proof
@pytest.mark.parametrize(("then", "now", "anew"), [("bf16", "fp32", "fp32"), ("bf16", "bf16", None)])
def test_weights_on_another_precision_are_the_same_model_where_fp32_says_so(tmp_path, monkeypatch, then, now, anew):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    before, after = clone(tmp_path / "before", then), clone(tmp_path / "after", now)
    found = reissue._compared(before, after, tmp_path)
    assert (found.rows, found.different, found.anew) == (ROWS, 0, anew)
    assert (asked(before), asked(after)) == (anew, anew)


def test_a_champion_whose_two_windows_would_differ_is_not_watched(tmp_path):
    precision.refuse_mixed(clone(tmp_path / "one", "bf16"))
    mixed = clone(tmp_path / "other", "bf16")
    (mixed / "metrics/score_reference.json").unlink()
    with pytest.raises(
        UserError, match=r"reference rows are scored in fp32, .* score\.precision: bf16: run `dvc repro`"
    ):
        precision.refuse_mixed(mixed)


def test_a_record_names_the_precision_of_the_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "_versions", lambda _: ())
    exact, half = (record.surroundings(clone(tmp_path / own, own)).device for own in ("fp32", "bf16"))
    assert (exact.scoring, half.scoring) == (None, "bf16")
    assert str(half) == f"{exact}, scores in bf16"
    written = {key: value for key, value in exact.model_dump().items() if key != "scoring"}
    assert Device.model_validate({**written, "gpus": exact.gpus}) == exact, "a record from before there was a choice"
