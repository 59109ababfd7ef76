"""A source that is not here yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.ingest.sources import list_files


def test_a_source_that_is_not_pulled_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data.csv does not exist, put it there, or name another$"):
        list_files("data.csv", "ingest.source")
    Path("data.csv.dvc").write_text("outs: []\n")
    with pytest.raises(UserError, match=r"only data.csv.dvc is here: run `dvc pull data.csv.dvc`"):
        list_files("data.csv", "ingest.source")
