"""What is stale once a file of tasks/ is touched: no file makes more stages stale than what it came from did.

``staleness.json`` has the answer of a74df7e, before the shared modules went into folders, and which of its files those
of today came from. A file that is not named there came from the file of its own path; a new one may make stale what
the others of its folder may. Where this fails, name files instead of a folder in ``dvc.yaml``, or cut the folder
smaller. ``pytest -s`` shows the table. ``stages_cut_off``: a stage that another one held before counts as that one.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from dvc.repo import Repo

TOP = Path(__file__).parent.parent
KNOWN = json.loads(Path(__file__).with_name("staleness.json").read_text(encoding="utf-8"))
BEFORE = {file: set(stages.split()) - {"none"} for stages, files in KNOWN["stale_at_a74df7e"].items() for file in files}
CAME_FROM, CUT_OFF = KNOWN["came_from"], KNOWN["stages_cut_off"]
FILES = sorted(
    str(file.relative_to(TOP))
    for file in (TOP / "tasks").rglob("*")
    if file.is_file() and "__pycache__" not in file.parts
)


@cache
def deps():
    """The deps of every stage, relative to the top."""
    return {
        stage.addressing: [str(Path(dep.fs_path).relative_to(TOP)) for dep in stage.deps if not hasattr(dep, "params")]
        for stage in Repo(str(TOP)).index.stages
    }


def stale(file):
    """The stages that DVC runs again once this file has changed: those that name it or a folder above it."""
    return {
        name for name, paths in deps().items() if any(file == path or file.startswith(f"{path}/") for path in paths)
    }


def before(file):
    """The stages that were stale once what this file came from was touched; None when that is not known."""
    sources = CAME_FROM.get(file, [file] if file in BEFORE else None)
    return None if sources is None else set().union(*(BEFORE[source] for source in sources))


def allowed(file):
    """What this file may make stale."""
    folder = Path(file).parent
    while before(file) is None and folder != Path("tasks"):
        inside = [before(other) for other in {*BEFORE, *CAME_FROM} if other.startswith(f"{folder}/")]
        if any(found is not None for found in inside):
            return set().union(*(found for found in inside if found))
        folder = folder.parent
    return before(file) or set()  # new, in no folder of before: nothing, unless staleness.json says what it came from


@pytest.mark.proof
@pytest.mark.parametrize("file", FILES)
def test_no_file_makes_more_stale_than_what_it_came_from(file):
    assert {CUT_OFF.get(stage, stage) for stage in stale(file)} <= allowed(file)


@pytest.mark.parametrize("file", FILES)
def test_what_belongs_to_one_stage_makes_no_other_stale(file):
    stages = {name.partition("@")[0] for name in deps()}
    owner = Path(file).parts[1].removesuffix(".py")
    if owner in stages:
        assert {name.partition("@")[0] for name in stale(file)} == {owner}


def test_every_stage_is_made_stale_by_some_file():
    table = {}
    for file in FILES:
        table.setdefault((str(Path(file).parent), tuple(sorted(stale(file)))), []).append(Path(file).name)
    for (folder, stages), names in table.items():
        print(f"{folder + '/':38}{len(names):3} files: {', '.join(stages) or 'nothing'}")
    assert {name for _, stages in table for name in stages} == set(deps())
