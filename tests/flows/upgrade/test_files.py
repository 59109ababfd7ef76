"""What an upgrade does to each kind of file."""

from __future__ import annotations

import re
import subprocess
from typing import ClassVar

import pytest

from flows.upgrade import code, documents, keys, pipeline
from flows.upgrade.merge import merged_text
from flows.upgrade.moved import MOVED
from tasks.core.params import Section
from tests.support.first_release import FIRST
from tests.support.processes import TOP


class Inner(Section):
    RENAMED: ClassVar = {"wait": "patience"}
    RENAMED_VALUES: ClassVar = {"privacy": {"mask": "redact"}}
    patience: int = 1
    privacy: str = "off"


class Outer(Section):
    RENAMED: ClassVar = {"checks": "evals", "slow": "inner.patience"}
    evals: int = 1
    inner: Inner | None = None


@pytest.fixture
def one_section(monkeypatch):
    monkeypatch.setattr(keys, "section_classes", lambda: {"outer": Outer})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("outer: {rows: 3, checks: 2}   # ours\n", "outer: {rows: 3, evals: 2}   # ours\n"),
        ("outer:\n  # why\n  checks: 2   # two\n  rows: 3\n", "outer:\n  # why\n  evals: 2   # two\n  rows: 3\n"),
        ("outer: {inner: {wait: 2}}\n", "outer: {inner: {patience: 2}}\n"),
        ("outer: {slow: 2.0e-4}\n", "outer: {inner: {patience: 2.0e-4}}\n"),
        ("outer: {inner: {privacy: mask}}   # ours\n", "outer: {inner: {privacy: redact}}   # ours\n"),
        ("outer: {inner: {privacy: off}}\n", "outer: {inner: {privacy: off}}\n"),
        ("outer: {inner: {privacy: [mask]}}\n", "outer: {inner: {privacy: [mask]}}\n"),
        ("other: {checks: 2}\n", "other: {checks: 2}\n"),
        ("outer: {}\n", "outer: {}\n"),
    ],
)
def test_keys_are_renamed_in_place_with_their_values_and_comments(one_section, old, new):
    document = documents.parse(old)
    keys.migrate(document)
    assert re.sub(r"(\S) +#", r"\1 #", documents.dump(document)) == re.sub(
        r"(\S) +#", r"\1 #", new
    )  # a comment keeps its column


BASE = """stages:
  one:
    cmd: one
    deps: [a, tasks/errors.py]
  two:
    cmd: two
"""


def merged(own, release=BASE):
    text, conflicts = pipeline.merge(BASE, own, release, {"tasks/errors.py": ["tasks/core"]})
    return documents.parse(text)["stages"], conflicts


def test_own_stages_and_deps_are_laid_over_the_release():
    release = BASE.replace("a, tasks/errors.py", "a, tasks/core").replace("cmd: two", "cmd: newer")
    own = (
        BASE.replace("deps: [a,", "deps: [a, mine,") + "  # ours\n  mine:\n    cmd: mine\n    deps: [tasks/errors.py]\n"
    )
    stages, conflicts = merged(own, release)
    assert stages["one"]["deps"] == ["a", "mine", "tasks/core"]
    assert stages["two"]["cmd"] == "newer"
    assert stages["mine"] == {"cmd": "mine", "deps": ["tasks/core"]}
    assert not conflicts
    assert "  # ours\n  mine:" in pipeline.merge(BASE, own, release, {})[0]


def test_what_both_changed_is_the_releases_and_named():
    stages, conflicts = merged(BASE.replace("cmd: two", "cmd: mine"), BASE.replace("cmd: two", "cmd: newer"))
    assert stages["two"]["cmd"] == "newer"
    assert len(conflicts) == 1 and conflicts[0].startswith("stages.two.cmd: ") and conflicts[0].endswith("mine")


def test_a_stage_that_was_taken_out_stays_out():
    stages, conflicts = merged(BASE.replace("  two:\n    cmd: two\n", ""))
    assert list(stages) == ["one"] and not conflicts
    stages, conflicts = merged(BASE.replace("  two:\n    cmd: two\n", ""), BASE.replace("cmd: two", "cmd: newer"))
    assert "two" in stages and "stages.two" in conflicts[0]


@pytest.fixture
def modules(tmp_path):
    for path, text in {
        "tasks/core/errors.py": "class UserError(Exception): ...\n",
        "tasks/core/tables.py": "def read_table(): ...\n",
        "tasks/core/files.py": "def write_json(): ...\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    moved = {"tasks/errors.py": "tasks/core/errors.py", "tasks/artefacts.py": "tasks/core/files.py"}
    return code.Release(tmp_path, moved, frozenset({"tasks.mine"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "from tasks.errors import Refused\nraise Refused\n",
            "from tasks.core.errors import UserError\nraise UserError\n",
        ),
        ("from tasks.errors import Refused as é\nraise é\n", "from tasks.core.errors import UserError as é\nraise é\n"),
        ("from tasks import errors\nraise errors.Refused\n", "from tasks.core import errors\nraise errors.UserError\n"),
        (
            "from tasks.artefacts import read_table, write_json\n",
            "from tasks.core.tables import read_table\nfrom tasks.core.files import write_json\n",
        ),
        (
            'from tasks import artefacts\n"é", artefacts.read_table()\n',
            'from tasks.core import files, tables\n"é", tables.read_table()\n',
        ),
        ("from tasks.mine import anything\n", "from tasks.mine import anything\n"),
        ("import os\nfrom pathlib import Path\n", "import os\nfrom pathlib import Path\n"),
    ],
)
def test_imports_of_own_code_follow_what_moved(modules, old, new):
    migrated = code.migrate(old, modules)
    assert migrated.text == new and not migrated.faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("\nfrom tasks.errors import Gone\n", "line 2: tasks.errors has no Gone"),
        ("from tasks import errors\nerrors.gone()\n", "line 2: tasks.core.errors has no gone"),
        ("import tasks.errors\n", "line 1: tasks.errors is now tasks.core.errors"),
        ("def (\n", "line 1 is no Python"),
    ],
)
def test_what_is_not_in_the_release_is_named_with_its_line(modules, text, fault):
    assert [found for found in code.migrate(text, modules).faults if found.startswith(fault)]


def test_every_module_of_the_first_release_has_a_successor():
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", FIRST, "tasks/", "flows/"],
        cwd=TOP,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split()
    gone = {path for path in listed if path.endswith(".py") and not (TOP / path).exists()}
    assert gone and gone == MOVED.keys()
    assert not [new for new in MOVED.values() if not (TOP / new).is_file()]


def test_edits_of_a_file_that_moved_are_merged_or_marked():
    base = "a\nb\nc\nd\ne\n"
    assert merged_text(base.replace("a", "A"), base, base.replace("e", "mine")) == ("A\nb\nc\nd\nmine\n", True)
    text, clean = merged_text(base.replace("c", "theirs"), base, base.replace("c", "mine"))
    assert not clean and "<<<<<<< release\ntheirs\n=======\nmine\n>>>>>>> yours" in text


@pytest.mark.proof
def test_a_folder_of_the_teams_own_becomes_a_dep_once():
    text = (TOP / "dvc.yaml").read_text()
    made = pipeline.watch(text, "model.name", ("tokenize", "pretrain", "finetune"))
    assert pipeline.watch(made, "model.name", ("tokenize", "pretrain", "finetune")) == made
    for stage in ("tokenize", "pretrain", "finetune"):
        before, after = (documents.plain(one)["stages"][stage]["deps"] for one in (text, made))
        assert after == [*before, "${model.name}"]
