"""New packages: tried in an environment of their own, told, and taken or dropped by a person."""

from __future__ import annotations

import json
import sys
import sysconfig
from importlib.metadata import version
from zipfile import ZipFile

import pytest

from flows.champion import proposal, registry
from flows.cli.operations import upgrade
from flows.machine.git import git
from flows.machine.home import Home
from flows.upgrade import lock
from tasks.core.errors import UserError
from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "driftline"
version = "0"
dependencies = ["here", "peft>=0.1"]
"""
BACKEND = """
import pathlib, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "driftline-0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\\nName: driftline\\nVersion: 0\\nProvides-Extra: dev\\n"
    about += "Requires-Dist: here\\nRequires-Dist: peft>=0.1\\n"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("driftline-0.dist-info/METADATA", about)
        wheel.writestr("driftline-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr("driftline-0.dist-info/RECORD", "")
    return name
"""
NOW, NEW = version("peft"), "99"
READS = '"${item.rows}", models/classifier]'


def wheel(folder, name, number, files=()):
    """A package of so many files that pip can install."""
    about = f"{name}-{number}.dist-info"
    with ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as made:
        for path, text in {
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": "",
            **dict(files),
        }.items():
            made.writestr(path, text)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A champion whose confidences a package decides, and a folder of packages in which that one is newer.

    The package ``here`` leads to all that is installed where the tests run, so that nothing is downloaded.
    """
    top = tmp_path_factory.mktemp("lock")
    (top / "packages").mkdir(), (top / "repository").mkdir()
    wheel(top / "packages", "here", "1", [("here.pth", f"{sysconfig.get_path('purelib')}\n")])
    wheel(top / "packages", "peft", NEW)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_pipeline.environment(IDENTITY).items():
            patch.setenv(name, value)
        patch.setenv("DRIFTLINE_HOME", str(top / "home"))
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(top / "packages"))
        patch.delenv("PYTHONPATH", raising=False)
        folder = top / "repository"
        tiny_pipeline.make_spring(folder)
        for name, text in {"pyproject.toml": PROJECT, "backend.py": BACKEND}.items():
            (folder / name).write_text(text)
        (folder / "requirements.lock").write_text(f"here==1\npeft=={NOW}\n")
        (folder / "environment.json").write_text(json.dumps({"peft": NOW}))
        steps, pipe = folder / "dvc.yaml", folder / "pipe.py"
        steps.write_text(steps.read_text().replace(READS, f"{READS[:-1]}, environment.json]"))
        shade = f'(0.875 if importlib.metadata.version("peft") == "{NEW}" else 0.9)'
        pipe.write_text("import importlib.metadata\n" + pipe.read_text().replace("0.9 if label", f"{shade} if label"))
        tiny_pipeline.run(folder, sys.executable, "-m", "dvc", "repro", "-q")
        tiny_pipeline.commit(folder)
        found = Home.of(folder)
        proposal.propose(found, "HEAD", True, False, None, None)
        yield found


def test_what_decides_comes_first_and_each_change_is_named():
    before = {"a": "1", "numpy": "2", "torch": "3", "gone": "1", "same": "1"}
    now = {"a": "2", "numpy": "2.1", "torch": "3", "b": "1", "same": "1"}
    assert list(lock.differences(before, now)) == [
        "numpy 2 → 2.1, which decides a model's bytes",
        "3 others: a 1 → 2, b new: → 1, gone 1 → gone",
    ]
    assert list(lock.differences(now, now)) == []


@pytest.mark.parametrize(
    "given",
    [
        {"lock": True, "champion": True},
        {"lock": True, "revision": "v1"},
        {"drop": True},
        {"lock": True, "drop": True, "yes": True},
    ],
)
def test_what_does_not_go_together_is_refused(given):
    with pytest.raises(UserError, match="--lock goes with"):
        upgrade(**given)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_new_packages_are_tried_told_and_taken(home, capfd):
    head, champion = git(home.origin, "rev-parse", "HEAD"), registry.champion(home.origin)
    with pytest.raises(UserError, match="no lock was tried yet"):
        lock.approve(home, None)

    assert lock.attempt(home, None) == 0
    said = capfd.readouterr().out
    assert f"peft {NOW} → {NEW}, which decides a model's bytes" in said
    assert "differ, by up to 0.025; the same answers" in said
    assert "words.json has sha256" in said
    assert (git(home.origin, "rev-parse", "HEAD"), registry.champion(home.origin)) == (head, champion)
    assert git(home.origin, "status", "--porcelain") == ""

    for path, why in (("pipe.py", "uncommitted"), ("pyproject.toml", "has changed since")):
        text = (home.origin / path).read_text()
        (home.origin / path).write_text(text + "\n# later\n")
        if why != "uncommitted":
            git(home.origin, "commit", "-qam", "later")
        with pytest.raises(UserError, match=why):
            lock.approve(home, None)
        git(home.origin, "reset", "-q", "--hard", head)

    assert lock.approve(home, None) == 0
    said, now = capfd.readouterr().out, registry.champion(home.origin)
    assert f"re-issued: {now}" in said and "Next: make setup" in said
    assert (home.origin / "requirements.lock").read_text() == f"here==1\npeft=={NEW}\n"
    assert json.loads((home.origin / "environment.json").read_text()) == {"peft": NEW}
    assert git(home.origin, "rev-parse", "HEAD^") == head and git(home.origin, "status", "--porcelain") == ""
    assert now.name == "v0.0.2" and f'"peft": "{NEW}"' in git(home.origin, "show", f"{now.commit}:environment.json")
    assert not lock.tried(home).exists()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_new_leaves_nothing_and_what_is_not_there_is_said(home, capfd, tmp_path):
    text = (home.origin / "requirements.lock").read_text()
    (tmp_path / "wanted.txt").write_text("here==1\npeft==98\n")
    with pytest.raises(UserError, match=r"(?s)the new packages cannot be installed.*peft==98"):
        lock.attempt(home, tmp_path / "wanted.txt")
    assert lock.drop(home) and not lock.drop(home)
    (tmp_path / "wanted.txt").write_text(f"peft=={NEW}\n")
    if NEW not in text:  # this test alone
        assert lock.attempt(home, tmp_path / "wanted.txt") == 0
        assert lock.drop(home)
        return
    assert lock.attempt(home, tmp_path / "wanted.txt") == 0
    assert "nothing to do: requirements.lock has what" in capfd.readouterr().out
    assert not lock.tried(home).exists()
