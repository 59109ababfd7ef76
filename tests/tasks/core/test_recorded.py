"""A stage refuses inputs that are not what the stages recorded that made them, whatever DVC believes of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import recorded
from tasks.core.errors import UserError
from tests.support import small_repository

STAGES = """
stages:
  first:
    cmd: python -c "import pathlib; p = pathlib.Path('made'); p.mkdir(); [(p / n).write_text(n) for n in 'ba']"
    outs: [made]
  second:
    cmd: cp made/a taken
    deps: [made]
    outs: [taken]
  third:
    cmd: cp taken last
    deps: [taken, made/b]
    outs: [last]
"""


def dvc(*words):
    done = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One for all: DVC takes seconds to make it."""
    folder = tmp_path_factory.mktemp("finished")
    small_repository.make(folder)
    (folder / "dvc.yaml").write_text(STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dvc("repro", "-q")
    return folder


@pytest.fixture
def repository(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def flip(path):
    """Another byte, the same size and time."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def in_cache(path):
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]


def test_inputs_as_they_were_made_pass_and_a_stage_that_dvc_does_not_know_too(repository):
    for stage in ("first", "second", "third", "other"):
        recorded.require_inputs(stage)


@pytest.mark.parametrize(
    ("name", "spoil", "named"),
    [
        pytest.param("made/a", flip, "made/a", marks=pytest.mark.slow),
        ("made/b", lambda path: path.write_bytes(b""), "made/b"),
        ("made/b", lambda path: path.unlink(), "made/b"),
        ("taken", flip, "taken"),
    ],
)
def test_a_spoilt_input_is_refused_by_name_and_one_run_mends_it(name, spoil, named, repository):
    expected = {path: Path(path).read_bytes() for path in ("made/a", "made/b", "taken", "last")}
    spoil(Path(name))
    stage = "third" if name == "taken" else "second"
    with pytest.raises(UserError, match=rf"^{named} is not what dvc.lock records"):
        recorded.require_inputs(stage)
    if (name, spoil) == ("made/a", flip):
        dvc("repro", "-q")
        recorded.require_inputs(stage)
        assert {path: Path(path).read_bytes() for path in expected} == expected


def write_by_hand(stage, path, text="by hand"):
    """What ``python -m tasks.<stage>`` does."""
    recorded.require_inputs(stage)
    path.unlink(missing_ok=True)
    path.write_text(text)
    recorded.note_outputs(stage)


def test_stages_run_by_hand_take_what_the_one_before_made(repository):
    write_by_hand("first", Path("made/a"))
    write_by_hand("second", Path("taken"))
    recorded.require_inputs("third")


@pytest.mark.proof
@pytest.mark.parametrize("spoil", [flip, lambda path: path.write_text("")])
def test_what_was_made_by_hand_and_written_to_since_is_refused(spoil, repository):
    write_by_hand("first", Path("made/a"))
    spoil(Path("made/a"))
    with pytest.raises(UserError, match=r"^made/a is not what dvc.lock records"):
        recorded.require_inputs("second")


def test_in_a_clone_whose_outputs_were_never_made_or_pulled_a_file_of_ones_own_is_taken(repository):
    shutil.rmtree(".dvc/cache")
    Path("made/a").write_text("my own")
    for stage in ("second", "third"):
        recorded.require_inputs(stage)


def test_a_stage_that_dvc_runs_is_held_to_what_dvc_records(repository, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "first")
    write_by_hand("first", Path("made/a"))
    with pytest.raises(UserError, match=r"^made/a is not what dvc.lock records"):
        recorded.require_inputs("second")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["made/a", "taken"])
def test_damage_in_the_cache_is_found_where_it_was_checked_out_and_one_run_mends_it(name, repository):
    expected = Path(name).read_bytes()
    flip(cached := in_cache(Path(name)))
    cached.chmod(0o444)  # as DVC leaves it, and so believes it
    Path(name).unlink()
    dvc("checkout", "-q")
    assert Path(name).read_bytes() != expected
    assert "up to date" in dvc("status")
    with pytest.raises(UserError, match=rf"^{name} is damaged, as it is in DVC's cache, .*dvc repro"):
        recorded.require_inputs("third" if name == "taken" else "second")
    dvc("repro", "-q")
    assert Path(name).read_bytes() == expected and in_cache(Path(name)).read_bytes() == expected


@pytest.mark.parametrize(
    "content",
    [b"", b"stages: [1]", b"stages:\n<<<<<<< HEAD\n", b"\xff\xfe", b"- 1", b"a: {", b"stages: {a: {outs: [x]}}"],
)
def test_a_lock_that_cannot_be_read_is_named(content, repository):
    Path("dvc.lock").write_bytes(content)
    with pytest.raises(UserError, match=r"dvc\.lock cannot be read .*git checkout dvc\.lock"):
        recorded.require_inputs("second")
