"""The champion on newer code: which code it has, and whether it answers alike there."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.champion import reissue
from flows.champion.code_age import code_age
from flows.machine.git import git
from flows.machine.home import Home
from tasks.core.errors import UserError


def change(repository, name, text):
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", name)
    return git(repository, "rev-parse", "HEAD")


@pytest.mark.proof
def test_code_and_parameters_count_windows_rows_and_flows_do_not(repository):
    home, first = Home.of(repository), git(repository, "rev-parse", "HEAD")
    for name, text in (
        ("params.yaml", 'first: {word: red}\nwindows: {reference: {until: "2026-01-01"}}\n'),
        ("source.txt", "Text of others"),
        ("flows/x.py", "x"),
        ("data/rows.py", "x"),
    ):
        change(repository, name, text)
        assert code_age(home, first).changed == ()
    assert "as at HEAD" in str(code_age(home, first))
    change(repository, "step.py", "x")
    assert code_age(home, first).changed == ("step.py",)
    change(repository, "params.yaml", "first: {word: blue}\n")
    age = code_age(home, first)
    assert age.changed == ("params.yaml", "step.py")
    assert "2 files changed at HEAD since" in str(age)
    assert age.release is None
    change(repository, "pyproject.toml", '[project]\nversion = "9.1"\n')
    assert "release 9.1, commit " in str(code_age(home, "HEAD"))


def table(folder, name, **columns):
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def test_scores_are_compared_by_id_and_to_the_last_bit(tmp_path):
    then = table(tmp_path, "then", id=["a", "b"], prediction=["x", "y"], confidence=[0.5, 0.25])
    now = table(tmp_path, "now", id=["b", "a"], prediction=["y", "x"], confidence=[0.25, 0.5])
    assert str(reissue.compare(then, now)) == "equal on its 2 test rows"
    now = table(tmp_path, "now", id=["b", "a"], prediction=["x", "x"], confidence=[0.25, 0.5 + 2**-50])
    found = reissue.compare(then, now)
    assert (found.different, found.largest, found.answers) == (2, 2**-50, 1)
    assert str(found).endswith("2 of its 2 test rows differ, by up to 8.9e-16; 1 other answers")
    now = table(tmp_path, "now", id=["b", "c"], prediction=["x", "x"], confidence=[0.25, 0.5])
    with pytest.raises(UserError, match="other test rows"):
        reissue.compare(then, now)
