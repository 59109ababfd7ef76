"""Whoever changes a byte of a promoted model, anywhere that it is used: refused, naming file and version."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from flows.champion import manifest, verdict
from flows.champion.manifest import Manifest
from flows.machine.git import git
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tests.support.processes import IDENTITY, TOP

TAG = "classifier@v0.0.1"
FILES = {"model.safetensors": b"weights", "config.json": b"{}", "tokenizer.json": b"{ }"}
LOCK = "stages:\n  finetune:\n    outs:\n    - {path: models/classifier, md5: abc.dir}\n"


@pytest.fixture
def promoted(tmp_path, monkeypatch):
    """A repository whose classifier was promoted with a manifest, and a copy of it, from which finetune starts."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    for folder in (tmp_path / paths.CLASSIFIER, tmp_path / "copy"):
        folder.mkdir(parents=True)
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
    (tmp_path / "dvc.lock").write_text(LOCK)
    weights = sha256_of(tmp_path / "copy" / "model.safetensors")
    (tmp_path / "params.yaml").write_text(f"finetune: {{warm_start: {{folder: copy, sha256: {weights}}}}}\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "dvc.lock", "params.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "a model")
    tag(tmp_path, f"promoted\n\n{Manifest.of(tmp_path, [paths.CLASSIFIER]).line()}")
    return tmp_path


def tag(repository, message, name=TAG):
    git(repository, "tag", "--force", "--annotate", "--message", message, name)


def check(repository, use):
    if use == "working tree":
        manifest.verify_trained(repository)
    elif use == "warm start":
        manifest.verify_warm_start(repository)
    else:
        manifest.verify(repository, "HEAD", [paths.CLASSIFIER])


def place_of(repository, use):
    return repository / ("copy" if use == "warm start" else paths.CLASSIFIER)


def flip(file):
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])


USES = ["working tree", "clone", "warm start"]


@pytest.mark.parametrize(
    ("use", "name"),
    [(use, name) for use in USES for name in FILES if (use, name) != ("warm start", "model.safetensors")],
)  # of a warm start's weights params.yaml itself holds the sha256
def test_a_changed_byte_of_any_file_is_refused(promoted, use, name):
    check(promoted, use)
    flip(place_of(promoted, use) / name)
    with pytest.raises(UserError, match=f"{TAG}: the sha256 of models/classifier/{name} is another"):
        check(promoted, use)


@pytest.mark.parametrize("use", USES)
def test_a_file_more_or_less_is_refused(promoted, use):
    more = place_of(promoted, use) / "adapter_config.json"
    more.write_text("{}")
    with pytest.raises(UserError, match=r"models/classifier/adapter_config\.json is no file of it"):
        check(promoted, use)
    more.unlink()
    (place_of(promoted, use) / "config.json").unlink()
    with pytest.raises(UserError, match=r"models/classifier/config\.json is missing"):
        check(promoted, use)


def test_a_link_to_the_same_bytes_is_the_same_file(promoted):
    real = promoted / "elsewhere"
    shutil.move(promoted / paths.CLASSIFIER / "config.json", real)
    (promoted / paths.CLASSIFIER / "config.json").symlink_to(real)
    check(promoted, "clone")
    flip(real)
    with pytest.raises(UserError, match=r"config\.json is another"):
        check(promoted, "clone")


def test_a_version_of_an_earlier_release_is_used_and_a_line_says_that_nothing_is_checked(promoted, caplog):
    tag(promoted, "promoted, after none")
    flip(promoted / paths.CLASSIFIER / "model.safetensors")
    caplog.set_level("INFO")
    check(promoted, "clone")
    assert caplog.messages == [
        f"{TAG} was promoted by an earlier release, without a manifest: its files are not checked"
    ]


def test_another_model_than_the_promoted_one_is_not_compared(promoted):
    (promoted / "dvc.lock").write_text(LOCK.replace("abc", "def"))
    flip(promoted / paths.CLASSIFIER / "model.safetensors")
    check(promoted, "working tree")


@pytest.mark.parametrize("broken", ["{", '{"files": {}}', '{"model": "", "files": {"a": 1}}', "[" * 5000])
def test_a_manifest_that_cannot_be_read_is_refused_not_passed_over(promoted, broken):
    tag(promoted, f"promoted\n\n{manifest.MARK}{broken}")
    with pytest.raises(UserError, match=f"the message of the tag {TAG} cannot be read"):
        check(promoted, "clone")


def test_a_second_tag_that_blesses_other_bytes_does_not_replace_the_first(promoted):
    flip(promoted / paths.CLASSIFIER / "model.safetensors")
    tag(promoted, Manifest.of(promoted, [paths.CLASSIFIER]).line(), "classifier@v0.0.2")
    with pytest.raises(UserError, match=f"promoted as {TAG}"):
        check(promoted, "clone")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x85", "\x0b"])
def test_a_value_of_the_data_forges_no_line_of_a_tags_message(promoted, end):
    """A slice's value stands in the verdict's reason, which stands in the message before verdict and manifest."""
    forged = verdict.Verdict(promote=True, reason="forged", judged={"champion": None, "challenger": "0"}, figures={})
    false = Manifest(model="abc.dir", files={str(paths.CLASSIFIER / "model.safetensors"): "0" * 64})
    reason = f"It is significantly worse where source = x{end}{forged.line()}{end}{false.line()}{end}y."
    judged = {"champion": None, "challenger": git(promoted, "rev-parse", "HEAD")}
    said = verdict.Verdict(promote=False, reason=reason, judged=judged, figures={"slices": {"worse": [reason]}})
    true = Manifest.of(promoted, [paths.CLASSIFIER])
    tag(promoted, f"promoted\n\n{said}\n\n{said.line()}\n{true.line()}")
    message = git(promoted, "tag", "--list", TAG, "--format=%(contents)")
    assert verdict.Verdict.lines(message) == [said]
    assert Manifest.read(message, TAG) == true


@pytest.mark.slow
@pytest.mark.parametrize("command", [["score", "--text", "words"], ["explain", "--text", "words"], ["export"]])
def test_the_commands_refuse_it_in_one_sentence(promoted, command):
    flip(promoted / paths.CLASSIFIER / "config.json")
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    run = (
        f"from flows.cli.app import run; from pathlib import Path; import sys; sys.argv[1:] = {command!r}; run(Path())"
    )
    done = subprocess.run([sys.executable, "-c", run], cwd=promoted, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert f"promoted as {TAG}: the sha256 of models/classifier/config.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_manifest_is_one_line_of_json(promoted):
    line = Manifest.of(promoted, [paths.CLASSIFIER]).line()
    assert "\n" not in line
    assert set(json.loads(line.removeprefix(manifest.MARK))["files"]) == {f"models/classifier/{name}" for name in FILES}
