"""A dataset at a revision; a folder stands in for the hub, which the tests cannot reach."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tasks.core.errors import UserError
from tests.support.landing import landed, rows_of, tree


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "mails"
    folder.mkdir()
    features = Features({"text": Value("string"), "label": ClassLabel(names=["ham", "spam"]), "n": Value("int32")})
    rows = {"text": ["a\0b", "NA", "e\u0301", "a\0b"], "label": [0, 1, -1, 0], "n": [1, 2, 3, 1]}
    Dataset.from_dict(rows, features).to_parquet(folder / "train.parquet")
    Dataset.from_dict({**rows, "n": [5, 6, 7, 8]}, features).to_parquet(folder / "test.parquet")
    return folder


@pytest.mark.proof
def test_a_split_lands_once_with_labels_by_name(hub):
    landed(source=f"hf://{hub}@abc123:train")
    assert rows_of("mail") == [("a\0b", "ham", 1), ("NA", "spam", 2), ("e\u0301", None, 3), ("a\0b", "ham", 1)]
    before = tree()
    landed(source=f"hf://{hub}@abc123:train")
    assert tree() == before


def test_another_revision_lands_only_its_new_rows(hub):
    landed(source=f"hf://{hub}@abc123:train", columns=["text", "label"])
    parts, _ = landed(source=f"hf://{hub}@abc124:test", columns=["label", "text"])
    assert parts.rows == 0
    assert rows_of("mail")[1] == ("NA", "spam")


@pytest.mark.parametrize(
    ("address", "entry", "words"),
    [
        ("@abc123", {}, "name one of the splits (train, test|test, train)"),
        ("@abc123:dev", {}, "cannot be loaded"),
        ("@abc123:train", {"columns": ["body"]}, "no column body; there are text, label, n"),
        ("", {}, "write hf://name@revision"),
        ("/nothing@abc123:train", {}, "cannot be (loaded|reached)"),
    ],
)
def test_what_cannot_be_landed_is_refused(hub, address, entry, words):
    with pytest.raises(UserError, match=f"mail: .*{words}"):
        landed(source=f"hf://{hub}{address}", **entry)
    assert tree() == {}


def test_a_column_that_changed_its_type_is_refused(hub):
    landed(source=f"hf://{hub}@a:train")
    table = Dataset.from_parquet(str(hub / "train.parquet"), cache_dir=str(hub.parent / "other")).data.table
    changed = table.set_column(2, "n", pa.array(["1", "2", "3", "4"])).replace_schema_metadata(None)
    pq.write_table(changed, hub / "train.parquet")
    with pytest.raises(UserError, match=r"column (label|n) was .* and is now"):
        landed(source=f"hf://{hub}@b:train")
