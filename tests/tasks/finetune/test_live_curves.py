"""What watches a training reads its curves so far beside its checkpoints."""

from __future__ import annotations

import csv
import shutil

import pytest

from tasks.finetune import Params, record
from tasks.finetune.transformer import finetune
from tasks.modelling.checkpoints import checkpoint
from tests.support.models import QUICK

SECTION = Params(**QUICK | {"epochs": 2, "evals_per_epoch": 2, "batch_size": 16})


def train(tokens, tiny_checkpoint, folder):
    return finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), SECTION, 7, folder)


@pytest.mark.proof
def test_each_evaluation_is_there_when_it_is_over(tokens, tiny_checkpoint, tmp_path, monkeypatch):
    write, seen = record.write_curves, []

    def watched(rows, path):
        write(rows, path)
        with path.open(newline="") as file:
            seen.append([float(row["validation_loss"]) for row in csv.DictReader(file)])

    monkeypatch.setattr(record, "write_curves", watched)
    (tmp_path / "kept").mkdir()
    losses = [row["validation_loss"] for row in train(tokens, tiny_checkpoint, tmp_path / "kept")[1].curves]
    assert len(losses) == 4
    assert [one for i, one in enumerate(seen) if one and one not in seen[:i]] == [
        losses[:count] for count in range(1, 5)
    ]
    assert (tmp_path / "kept" / "curves.csv").is_file()


@pytest.mark.proof
def test_a_full_disk_ends_no_training(tokens, tiny_checkpoint, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "write_curves", full)
    (tmp_path / "kept").mkdir()
    assert len(train(tokens, tiny_checkpoint, tmp_path / "kept")[1].curves) == 4


@pytest.mark.proof
def test_no_test_row_is_read(tokens, tiny_checkpoint, tmp_path):
    """A search trains many times: what it never opens, it cannot have chosen by."""
    without = tmp_path / "tokens"
    shutil.copytree(tokens, without)
    (without / "test.parquet").unlink()
    found, expected = (train(folder, tiny_checkpoint, None)[1] for folder in (without, tokens))
    assert (found.metrics, found.curves) == (expected.metrics, expected.curves)
