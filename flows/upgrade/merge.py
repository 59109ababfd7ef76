"""Merges a release into a checkout and migrates what a team's own files say; leaves conflicts to a person, named."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flows.errors import GitFailed
from flows.machine.git import git, identity
from flows.machine.version import TOP
from flows.upgrade import code, documents, keys, pipeline, release
from flows.upgrade.outcome import Outcome
from tasks.modelling.checkpoints import watched

PARAMS, PIPELINE, LOCK, README = "params.yaml", "dvc.yaml", "dvc.lock", "README.md"
OWN = (
    "behaviour.yaml", "measures.py", "notification_blocks.py", "tasks/validate/own_rules.py", "landing.yaml",
    "data/released.csv",
)  # fmt: skip
"""What a team's own data decide: theirs stays, unless they never changed it."""
SECTION_LIST = re.compile(r"^(?:BESIDE|STAGES) = .*\n", re.M)
ADVICE = {
    "UU": "you and the release changed the same lines: edit the marked places",
    "AA": "you and the release both added it: edit the marked places",
    "DU": "you deleted it, the release changed it: `git rm` it, or `git add` it to have the release's",
    "UD": "you changed it, the release deleted or moved it: make your change in its new place, then `git rm` it",
}


@dataclass(frozen=True)
class Merge:
    """A release being merged into the checkout at ``top``, whose tree is clean."""

    top: Path
    release: str
    before: str
    base: str

    def run(self) -> Outcome:
        """Merge and migrate, without a commit."""
        outcome = Outcome()
        try:
            options = ("-c", "merge.conflictStyle=merge", "-c", "merge.renameLimit=0", "-c", "core.hooksPath=/dev/null")
            git(self.top, *options, "merge", "--no-commit", "--no-ff", self.release, environment=identity(self.top))
        except GitFailed:
            if not self.states():
                raise  # no conflict: git could not begin
        self._own_files()
        self._section_list(outcome)
        self._moved_files(outcome)
        self._readme(outcome)
        self._pipeline(outcome)
        self._params(outcome)
        self._model_folders(outcome)
        self._presets(outcome)
        self._code(outcome)
        self._reviews(outcome)
        for path, state in self.states().items():
            outcome.conflict(path, ADVICE.get(state, f"git calls it {state}: see `git status`"))
        for fault in keys.faults(
            documents.plain((self.top / PARAMS).read_text(encoding="utf-8")), self._own_sections()
        ):
            outcome.conflict(PARAMS, fault.removeprefix(f"{PARAMS}: "))
        return outcome

    def commit(self, message: str) -> str:
        """Commit the merge: the commit's name."""
        git(self.top, "commit", "--quiet", "--no-verify", "-m", message, environment=identity(self.top))
        return git(self.top, "rev-parse", "HEAD")

    def states(self) -> dict[str, str]:
        """The unmerged files, each with git's two letters: ours, theirs."""
        lines = git(self.top, "status", "--porcelain", "-z", "--untracked-files=no").split("\0")
        return {line[3:]: line[:2] for line in lines if line[:2] in {"UU", "AA", "DU", "UD", "AU", "UA", "DD"}}

    @cached_property
    def moved(self) -> Mapping[str, str]:
        """Where the release moved files to."""
        return release.moved(self.top, self.base, self.release)

    def _text(self, commit: str, path: str) -> str:
        return release.show(self.top, commit, path) or ""

    def _write(self, path: str, text: str) -> None:
        (self.top / path).write_text(text, encoding="utf-8")
        git(self.top, "add", "--", path)

    def _changed(self, path: str) -> bool:
        """Whether the team changed the file since the commit it shares with the release."""
        return release.show(self.top, self.before, path) != release.show(self.top, self.base, path)

    def _own_files(self) -> None:
        ran = self._changed(LOCK)  # else metrics and lock are the sample's, and the release's may take their place
        new = set(self._list(self.release, "metrics"))
        for path in self._list(self.before, LOCK, "metrics", *OWN):
            results = path == LOCK or path.startswith("metrics/")
            gone = (
                path.startswith("metrics/") and path not in new and release.show(self.top, self.base, path) is not None
            )
            if gone and path in self.states():
                git(self.top, "rm", "--quiet", "--force", "--", path)
            elif not gone and (ran if results else self._changed(path)):
                git(self.top, "checkout", self.before, "--", path)
        if ran:
            for path in sorted(new - set(self._list(self.before, "metrics"))):
                git(self.top, "rm", "--quiet", "--force", "--", path)  # the sample's; `dvc repro` writes the team's

    def _list(self, commit: str, *paths: str) -> list[str]:
        return git(self.top, "ls-tree", "-r", "--name-only", commit, "--", *paths).splitlines()

    def _own(self, *paths: str) -> list[str]:
        """Files of the team that neither release knows."""
        known = {*self._list(self.base, *paths), *self._list(self.release, *paths)}
        return [path for path in self._list(self.before, *paths) if path not in known]

    def _own_sections(self) -> set[str]:
        """A stage ``tasks/<name>.py`` or ``tasks/<name>/`` may have a section of its name."""
        return {Path(path).parts[1].removesuffix(".py") for path in self._own("tasks")}

    def _moved_files(self, outcome: Outcome) -> None:
        """Edits of a file that was moved and rewritten, where git sees a deletion: merge them into its new place."""
        for path, state in self.states().items():
            new = self.moved.get(path)
            if state != "UD" or new is None or new in self.states():
                continue
            texts = self._text(self.release, new), self._text(self.base, path), self._text(self.before, path)
            text, clean = merged_text(*texts)
            git(self.top, "rm", "--quiet", "--force", "--", path)
            self._write(new, text)
            if clean:
                outcome.change(new, f"has your edits of {path}")
            else:
                outcome.conflict(new, f"has your edits of {path}: edit the marked places")

    def _section_list(self, outcome: Outcome) -> None:
        """An own section had to be listed in 0.1.0's tasks/params.py; now every stage may have one."""
        old, new = "tasks/params.py", "tasks/core/params.py"
        own, base = (SECTION_LIST.sub("", self._text(commit, old)) for commit in (self.before, self.base))
        if own == base and self._changed(old):
            git(self.top, "checkout", self.release, "--", new)
            git(self.top, "rm", "--quiet", "--force", "--ignore-unmatch", "--", old)
            outcome.change(new, "your section needs no entry in a list any more")

    def _readme(self, outcome: Outcome) -> None:
        if README in self.states():
            git(self.top, "checkout", self.before, "--", README)
            outcome.change(README, f"yours stays; the release's: git show {self.release[:7]}:{README}")

    def _pipeline(self, outcome: Outcome) -> None:
        if not self._changed(PIPELINE):
            return
        base, own, new = (self._text(commit, PIPELINE) for commit in (self.base, self.before, self.release))
        text, conflicts = pipeline.merge(base, own, new, release.new_deps(self.moved))
        self._write(PIPELINE, text)
        outcome.change(PIPELINE, "the release's stages with your stages and edits")
        for conflict in conflicts:
            outcome.conflict(PIPELINE, conflict)

    def _params(self, outcome: Outcome) -> None:
        if not self._changed(PARAMS):
            return
        own, new = (documents.parse(self._text(commit, PARAMS)) for commit in (self.before, self.release))
        for renamed in keys.migrate(own):
            outcome.change(PARAMS, renamed)
        for section in new:
            if section not in own and section not in documents.parse(self._text(self.base, PARAMS)):
                own[section] = new[section]
                outcome.change(PARAMS, f"{section}: a new section, with the release's values")
        self._write(PARAMS, documents.dump(own))

    def _model_folders(self, outcome: Outcome) -> None:
        """Folders outside of ``models/base`` that a training starts from become deps: this release refuses others."""
        params = documents.parse((self.top / PARAMS).read_text(encoding="utf-8"))
        for key, stages in watched.STAGES.items():
            value: Any = params
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if isinstance(value, str) and (self.top / value).is_dir() and not Path(value).is_relative_to(watched.BASE):
                text = (self.top / PIPELINE).read_text(encoding="utf-8")
                self._write(PIPELINE, pipeline.watch(text, key, stages))
                outcome.change(PIPELINE, f"${{{key}}}: the folder {value} is a dep of {', '.join(stages)}")

    def _presets(self, outcome: Outcome) -> None:
        for file in sorted((self.top / "presets").glob("*.yaml")):
            path = str(file.relative_to(self.top))
            if path in self.states():
                continue
            document = documents.parse(file.read_text(encoding="utf-8"))
            renamed = keys.migrate(document)
            if renamed:
                self._write(path, documents.dump(document))
            for words in renamed:
                outcome.change(path, words)

    def _reviews(self, outcome: Outcome) -> None:
        """Python files of ours that the team edited and the release changed too."""
        changed = git(self.top, "diff", "--name-only", self.base, self.before, "--", *code.OURS).splitlines()
        for old in changed:
            path = self.moved.get(old, old)
            texts = [release.show(self.top, self.base, old), release.show(self.top, self.release, path)]
            merged = path.endswith(".py") and None not in texts and texts[0] != texts[1]
            same = (self.top / path).is_file() and (self.top / path).read_text(encoding="utf-8") == texts[1]
            if merged and not same and path not in {*outcome.conflicts, *self.states()}:
                outcome.reviews.append(path)

    def _code(self, outcome: Outcome) -> None:
        """Own Python files, and ours that the team changed: imports of what moved."""
        listed = git(self.top, "diff", "--name-only", "--diff-filter=AM", self.release).splitlines()
        own = frozenset(code.module_name(Path(path)) for path in self._own(*code.OURS) if path.endswith(".py"))
        modules = code.Release(TOP, self.moved, own)
        for path in listed:
            if not path.endswith(".py") or path in self.states():
                continue
            text = (self.top / path).read_text(encoding="utf-8")
            migrated = code.migrate(text, modules)
            if migrated.text != text:
                self._write(path, migrated.text)
                outcome.change(path, "imports follow the release")
            for fault in migrated.faults:
                outcome.conflict(path, fault)


def merged_text(release: str, base: str, own: str) -> tuple[str, bool]:
    """The three-way merge of a file's texts, and whether it has no conflict; conflicts are marked as git does."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("release", "base", "yours")]
        for file, text in zip(files, (release, base, own), strict=True):
            file.write_text(text, encoding="utf-8")
        command = ["git", "merge-file", "-p", *(part for f in files for part in ("-L", f.name)), *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout, done.returncode == 0
