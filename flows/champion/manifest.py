"""The sha256 of every file of a promoted version, in its tags' messages, and the check of it before each use.

DVC finds a version's files by md5 and believes its cache; a tag is git's, and travels. Versions that earlier releases
promoted have no manifest: they are used unchecked, and a line says so. Whoever may move a tag may change its manifest
too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.machine.checkout import project
from flows.machine.git import git, succeeds
from tasks.core import paths, recorded
from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.core.yaml_files import read_yaml
from tasks.dataset import layout

log = logging.getLogger(__name__)

ARTIFACT = "classifier"
MARK = "manifest: "
WEIGHTS = str(paths.CLASSIFIER / "model.safetensors")
_REFERENCE = layout.window("reference")
PROMOTED = (paths.CLASSIFIER, paths.BASELINE, layout.SPLITS, _REFERENCE.scored, _REFERENCE.embeddings)
"""What scoring, comparison, monitoring, warm start and export read of a version."""


def artifact(repository: Path) -> str:
    """What GTO and DVC call the model: ``classifier``, and in a folder of the repository ``teams/mails:classifier``."""
    folder = project(repository)
    return f"{folder}:{ARTIFACT}" if folder else ARTIFACT


def tag_of(name: str) -> str:
    """How an artifact's tags begin."""
    return name.replace(":", "=")


class Manifest(BaseModel):
    """What a promoted version consists of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    """Of this form."""
    model: str
    """The md5 by which ``dvc.lock`` knows ``models/classifier``."""
    files: Mapping[str, str]
    """The sha256 of each file, by its path in the repository."""

    @classmethod
    def of(cls, folder: Path, outputs: Iterable[Path]) -> Manifest:
        """Of these outputs of a clone."""
        files = {path: sha for output in outputs for path, sha in _hashed(folder / output, output)}
        return cls(model=recorded.md5_of(paths.CLASSIFIER, folder) or "", files=files)

    def line(self) -> str:
        """As it stands in a tag's message."""
        return MARK + self.model_dump_json()

    @classmethod
    def read(cls, message: str, tag: str) -> Manifest | None:
        """The manifest in a tag's message: the last line that is one, since words from data may come before it."""
        lines = [line.removeprefix(MARK) for line in message.split("\n") if line.startswith(MARK)]
        try:
            return cls.model_validate_json(lines[-1]) if lines else None
        except ValidationError:
            raise UserError(f"the manifest in the message of the tag {tag} cannot be read: promote it again") from None

    def difference(self, place: Path, output: Path) -> str | None:
        """What is wrong with the first file at ``place`` that is not as in this output; None where all are."""
        expected = {path: sha for path, sha in self.files.items() if Path(path).is_relative_to(output)}
        found = dict(_hashed(place, output)) if expected else {}
        for path in sorted({*expected, *found}):
            if path not in found:
                return f"{path} is missing"
            if path not in expected:
                return f"{path} is no file of it"
            if expected[path] != found[path]:
                return f"the sha256 of {path} is another"
        return None


def _hashed(place: Path, output: Path) -> Iterator[tuple[str, str]]:
    """The files of an output that lies at ``place``, by their path in the repository, with their sha256."""
    for file in [place] if place.is_file() else sorted(place.rglob("*")):
        if file.is_file():
            yield str(output / file.relative_to(place)), sha256_of(file)


def verify(clone: Path, commit: str, outputs: Iterable[Path]) -> None:
    """Refuse outputs of a promoted commit, in a clone at it, that are not the files that were promoted."""
    known, tagged = _manifests(clone, "--points-at", commit)
    if tagged and not known:
        log.info(f"{tagged[0]} was promoted by an earlier release, without a manifest: its files are not checked")
    for output in outputs:
        for tag, manifest in known.items():
            _refuse(
                tag, manifest.difference(clone / output, output), "fetch it from the DVC remote again, or roll back"
            )


def verify_trained(repository: Path) -> None:
    """Refuse the working tree's classifier where ``dvc.lock`` says that it is a promoted one and its files differ."""
    md5 = recorded.md5_of(paths.CLASSIFIER, repository)
    for tag, manifest in _manifests(repository)[0].items() if md5 else ():
        if manifest.model == md5:
            found = manifest.difference(repository / paths.CLASSIFIER, paths.CLASSIFIER)
            _refuse(tag, found, f"run `dvc checkout --force {paths.CLASSIFIER}`")


def verify_warm_start(repository: Path) -> None:
    """Refuse a warm start from a copy of a promoted classifier, known by its weights, of which another file differs."""
    file = repository / paths.PARAMS
    content = read_yaml(file) if file.exists() else None  # of any release: other keys are for their readers to refuse
    section = content.get("finetune") if isinstance(content, Mapping) else None
    start = section.get("warm_start") if isinstance(section, Mapping) else None
    if not isinstance(start, Mapping) or not {"folder", "sha256"} <= set(start):
        return  # the stage says what is wrong with it
    for tag, manifest in _manifests(repository)[0].items():
        if manifest.files.get(WEIGHTS) == start["sha256"]:
            found = manifest.difference(repository / start["folder"], paths.CLASSIFIER)
            _refuse(tag, found, f"run `dvc get . {paths.CLASSIFIER} --rev {tag} --force -o {start['folder']}`")


def _refuse(tag: str, found: str | None, cure: str) -> None:
    if found:
        raise UserError(f"the model is not the one that was promoted as {tag}: {found}; {cure}")


def _manifests(repository: Path, *which: str) -> tuple[dict[str, Manifest], list[str]]:
    """Those in the tags' messages, by tag, and the names of all these tags; none where this is no git repository."""
    if not succeeds(repository, "rev-parse", "--git-dir"):
        return {}, []
    tags = [f"refs/tags/{tag_of(artifact(repository))}{sign}*" for sign in "@#"]
    listed = git(repository, "for-each-ref", "--format=%(refname:strip=2)%00%(contents)%00%00", *which, *tags)
    entries = [entry.lstrip("\n").split("\0", 1) for entry in listed.split("\0\0") if entry.strip("\n\0")]
    found = {tag: manifest for tag, text in entries if (manifest := Manifest.read(text, tag))}
    return found, [tag for tag, _ in entries]
