"""A team's clone of the first release takes this one in: keys migrated, own files kept, the same results."""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from flows.upgrade.keys import section_classes
from tasks.core.files import sha256_of
from tests.support.first_release import FIRST, insert, release, team
from tests.support.real_pipeline import commit, locked, run

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return release(tmp_path_factory.mktemp("new") / "release")


@pytest.fixture
def ours(tmp_path, tiny_checkpoint):
    return team(tmp_path / "team", tiny_checkpoint)


def upgrade(new, ours, *options):
    """The command as a team with the first release runs it: from a checkout of the new one."""
    return run(new, sys.executable, "-m", "flows.upgrade", str(ours), *options, ok=False, PYTHONPATH=str(new))


def head(folder):
    return run(folder, "git", "rev-parse", "HEAD").stdout.strip()


def params(folder):
    return YAML(typ="safe").load((folder / "params.yaml").read_text())


def outputs(folder, *stages):
    """Run these stages and what they need; what is in each file of data and models that DVC tracks.

    Of tables the rows: how a release lays them down (page checksums, for one) is no result.
    """
    run(folder, "dvc", "repro", *stages)
    made = [folder / path for path in locked(folder) if path.startswith(("data/", "models/"))]
    files = [file for path in made for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    readers = {".parquet": pq.read_table, ".safetensors": load_file, ".npy": np.load}
    return {str(file.relative_to(folder)): readers.get(file.suffix, sha256_of)(file) for file in files}


def assert_same(before, now):
    """What was there is equal but for the last digits of weights and of what is computed with them."""
    assert before.keys() <= now.keys()
    for path, was in before.items():
        columns = was.column_names if isinstance(was, pa.Table) else was if isinstance(was, dict) else None
        if isinstance(was, np.ndarray):
            np.testing.assert_allclose(now[path], was, rtol=0, atol=1e-5, err_msg=path)
        elif columns is None:
            assert was == now[path], path
        for name in columns or ():
            one, other = was[name], now[path][name]
            if isinstance(one, np.ndarray) or pa.types.is_floating(one.type):
                np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=0, atol=1e-5, err_msg=path)
            else:
                assert one == other, (path, name)


def test_without_yes_nothing_changes(new, ours):
    before = head(ours)
    done = upgrade(new, ours)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing was changed" in done.stdout
    assert head(ours) == before
    assert not run(ours, "git", "status", "--porcelain").stdout
    assert "nightly" in (ours / "prefect.yaml").read_text()


@pytest.mark.long
def test_own_parameters_stage_expectation_and_measure_are_kept_and_the_results_too(new, ours):
    before = outputs(ours, "score@reference", "count")
    counted = (ours / "metrics/count.json").read_text()
    commit(ours)
    old, old_head = params(ours), head(ours)

    done = upgrade(new, ours, "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    now = params(ours)
    assert now["count"] == {"least": 2}
    assert now["seed"] == 11 and "# ours" in (ours / "params.yaml").read_text()
    renamed = section_classes()["finetune"].RENAMED
    assert {renamed.get(key, key): value for key, value in old["finetune"].items()} == now["finetune"]
    assert "label_not_lower_case" in (ours / "tasks/validate/rules.py").read_text()
    assert_same(before, outputs(ours, "score@reference", "evaluate", "count"))
    assert (ours / "metrics/count.json").read_text() == counted
    assert (ours / "dvc.yaml").read_text().count("- ${model.name}\n") == 3  # its checkpoint is in models/tiny
    evaluated = json.loads((ours / "metrics/evaluate.json").read_text())
    assert evaluated["ours"] == round(evaluated["accuracy"] * evaluated["rows"])
    assert "REVIEW tasks/evaluate/__main__.py" in done.stdout  # it merged, but names around the edit may have changed
    run(ours, "git", "reset", "-q", "--hard", old_head)  # the way back that the command names
    assert old_head[:10] in done.stdout and params(ours) == old


def test_history_stays_and_a_second_upgrade_does_nothing(new, ours):
    before = head(ours)
    assert upgrade(new, ours, "--yes").returncode == 0
    assert run(ours, "git", "rev-list", "--parents", "-1", "HEAD").stdout.split()[1:] == [before, head(new)]
    assert FIRST in run(ours, "git", "rev-list", "HEAD").stdout
    assert "nothing to do" in upgrade(new, ours, "--yes").stdout


def test_a_conflict_is_named_and_left_to_a_person(new, ours):
    tokenizer = ours / "tasks/tokenize.py"
    first = tokenizer.read_text().splitlines()[0]
    tokenizer.write_text(tokenizer.read_text().replace(first, '"""Ours entirely."""'))
    imports = tokenizer.read_text()
    assert "from tasks.errors" in imports or "from tasks import" in imports
    tokenizer.write_text(imports.replace("from tasks.cli import run", "from tasks.cli import run  # ours"))
    commit(ours)
    before = head(ours)

    done = upgrade(new, ours, "--yes")

    assert done.returncode == 1
    assert "CONFLICT tasks/tokenize.py" in done.stdout and "git merge --abort" in done.stdout
    assert "<<<<<<<" in tokenizer.read_text()
    run(ours, "git", "merge", "--abort")
    assert head(ours) == before and not run(ours, "git", "status", "--porcelain").stdout


def test_uncommitted_changes_are_refused(new, ours):
    insert(ours / "params.yaml", "# a thought\n")
    done = upgrade(new, ours, "--yes")
    assert done.returncode == 2
    assert "uncommitted changes" in done.stderr and "params.yaml" in done.stderr
    assert head(ours) == run(ours, "git", "rev-parse", "main").stdout.strip()


def test_a_folder_that_shares_no_history_is_refused(new, ours):
    run(ours, "git", "checkout", "-q", "--orphan", "copied")
    commit(ours)
    done = upgrade(new, ours)
    assert done.returncode == 2
    assert "shares no commit" in done.stderr
