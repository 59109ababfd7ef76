"""Installed versions beside environment.json: said in one line, recorded, refused where bytes are promised."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from tasks.core.errors import UserError
from tasks.modelling.checkpoints import versions

TORCH = version("torch").partition("+")[0]


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """Writes environment.json."""
    monkeypatch.chdir(tmp_path)
    return lambda **found: (tmp_path / "environment.json").write_text(json.dumps(found))


@pytest.mark.parametrize("local", ["", "+cpu", "+cu128"])
def test_the_local_part_does_not_count(local, locked, capsys):
    locked(torch=TORCH + local)
    versions.print_differing()
    versions.refuse_differing(versions.Path(), (), "key")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("other", ["9.9.9", f"{TORCH}.1", f"{TORCH}rc1", ""])
def test_another_version_is_one_line_and_refused_unless_allowed_by_name(other, locked, capsys):
    locked(torch=other, numpy=version("numpy"))
    versions.print_differing()
    line = (
        f"warning: installed versions are not those of environment.json: torch {version('torch')} instead of {other}\n"
    )
    assert capsys.readouterr().out == line
    for allowed in ((), ("numpy",), ("Torch",)):
        with pytest.raises(UserError, match=r"torch .* or allow them by name \(limits: torch\)$"):
            versions.refuse_differing(versions.Path(), allowed, "limits")
    versions.refuse_differing(versions.Path(), ("torch",), "limits")


def test_a_package_that_is_not_installed_differs(locked):
    locked(**{"no-such-package": "1.0"})
    assert versions.differing() == {"no-such-package": "no-such-package is not installed instead of 1.0"}


def test_without_the_file_nothing_is_promised(locked):
    assert versions.differing() == {}


def test_the_installed_ones_are_what_a_fingerprint_takes(locked, monkeypatch):
    locked(torch="9.9.9")
    assert versions.installed()["torch"] == version("torch")
    monkeypatch.setattr(versions, "version", lambda name: "1")
    assert set(versions.installed().values()) == {"1"}
