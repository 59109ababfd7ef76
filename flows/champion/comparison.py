"""Judging a commit's model against the champion's: each answers the same test rows in a clone of its own commit.

The test rows are the challenger's: what it was not trained on. Its answers were written by its own ``score@reference``;
the champion's are made by the champion's own code, ``python -m tasks.score``, in its clone. Not covered: whether the
champion was trained on some of these rows, which a later split may have moved; that makes it look better than it is.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.champion import registry
from flows.champion.registry import Version
from flows.errors import StageFailed
from flows.machine.git import git, identity
from flows.machine.home import Home
from flows.pipeline.stage import guarded
from flows.runs import workspace
from flows.runs.summary import model_lines
from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.dataset import layout
from tasks.gate import Params, Rule
from tasks.gate.tables import Table, pair, read_predictions
from tasks.gate.verdict import extra_columns, gate_verdict

log = logging.getLogger(__name__)

NOTES = "verdicts"  # git notes: every verdict on the commit it judged
MARK = "verdict: "


def clone_with(home: Home, commit: str, folder: Path, outputs: Iterable[Path]) -> Path:
    """A clone at the commit that holds these outputs, from the shared cache or a DVC remote. UserError without them."""
    workspace.clone(home, commit, folder, workspace.shared_cache(home))
    bring(folder, commit, outputs)
    return folder


def bring(folder: Path, commit: str, outputs: Iterable[Path]) -> None:
    """Bring these outputs into a clone at the commit, from its cache or a DVC remote. UserError without them."""
    targets = [str(folder / path) for path in outputs]
    with Repo(str(folder)) as repo:
        try:
            repo.checkout(targets=targets, force=True)
        except DvcException:
            _pull(repo, targets, commit)


def _pull(repo: Repo, targets: list[str], commit: str) -> None:
    try:
        repo.pull(targets=targets)
    except DvcException as failure:
        raise UserError(
            f"what commit {commit[:12]} made is neither in the cache nor at a DVC remote ({failure}): run `dvc repro`, "
            "commit dvc.lock, or `dvc pull`"
        ) from None


def judge(home: Home, commit: str, champion: Version | None, rule: Rule | None) -> Any:
    """The gate's verdict on the commit's model, with which commits were ``judged``."""
    with tempfile.TemporaryDirectory() as made:
        own = [layout.SPLITS, layout.window("reference").scored]
        mine = clone_with(home, commit, Path(made) / "challenger", own)
        if champion is None:
            return {**_first(mine), "judged": {"champion": None, "challenger": commit}}
        theirs = clone_with(home, champion.commit, Path(made) / "champion", [paths.CLASSIFIER])
        log.info(f"the champion {champion} answers the test rows of {commit[:12]}")
        judged = {"champion": champion.commit, "challenger": commit}
        before = [one for one in verdicts(home.origin) if one.get("judged") != judged]
        verdict = compare(theirs, mine, rule, before)
    return {**verdict, "judged": judged}


def compare(theirs: Path, mine: Path, rule: Rule | None, before: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The gate's verdict on two clones: the champion's, with its model, and the challenger's, with its scored rows."""
    with tempfile.TemporaryDirectory() as made:
        answered = Path(made) / "champion.parquet"
        score(theirs, mine / layout.split("test"), answered)
        section = params.load(Params, "gate", mine / paths.PARAMS)
        section = section.model_copy(update={"rule": rule}) if rule else section
        rows = pair(read_predictions(answered), _own_answers(mine), None, extra_columns(section))
    return gate_verdict(rows, section, params.general(mine / paths.PARAMS).seed, before)


def _first(clone: Path) -> dict[str, Any]:
    """There is no champion: whoever asks for it decides, knowing the baseline."""
    words = "; ".join(" ".join(line.split()) for line in model_lines(read_json(clone / paths.metrics("evaluate"))))
    return {"promote": True, "reason": f"There is no champion yet, so the gate has nothing to compare with. {words}."}


def score(clone: Path, rows: Path, answers: Path) -> None:
    """Let the model of a clone, and its own code, answer a table of rows. Raises StageFailed."""
    command = [sys.executable, "-m", "tasks.score", "--input", str(rows), "--output", str(answers)]
    with chdir(clone):
        code, last = guarded(command)
    if code:
        raise StageFailed("the model could not answer the rows; it said last:\n" + "\n".join(last))


def _own_answers(clone: Path) -> Table:
    """What the challenger said of its test rows, in their order."""
    test = read_predictions(clone / layout.split("test"))
    scored = read_predictions(clone / layout.window("reference").scored)
    place = {key: i for i, key in enumerate(scored["id"])}
    unknown = set(test["id"]) - place.keys()
    if unknown:
        raise UserError(f"{len(unknown)} test rows have no score, {min(unknown)!r} for one: run `dvc repro`")
    return {name: [values[place[key]] for key in test["id"]] for name, values in scored.items()}


def keep(repository: Path, verdict: dict[str, Any]) -> None:
    """Note the verdict on the commit it judged: looking at test rows wears them out, whether or not it promotes."""
    text = MARK + json.dumps(verdict, ensure_ascii=False)
    commit = verdict["judged"]["challenger"]
    git(repository, "notes", f"--ref={NOTES}", "append", "-m", text, commit, environment=identity(repository))


def verdicts(repository: Path) -> list[dict[str, Any]]:
    """What was decided before, once for each two commits: of the notes here and of the tags, which travel."""
    notes = [line.split()[0] for line in git(repository, "notes", f"--ref={NOTES}", "list").splitlines()]
    texts = [git(repository, "cat-file", "-p", note) for note in notes]
    texts += [event.message for event in registry.history(repository)]
    found = [one for text in texts for one in _read(text)]
    return list({json.dumps(one.get("judged")): one for one in found}.values())


def _read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix(MARK)) for line in text.splitlines() if line.startswith(MARK)]
