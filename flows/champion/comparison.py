"""Judging a commit's model against the champion's: each predicts the same test rows in a clone of its own commit.

The test rows are the challenger's: what it was not trained on. Its predictions were written by its own
``score@reference``; the champion's are made by the champion's own code, ``python -m tasks.score``, in its clone. Rows
that the champion has learnt from, which a later split may have moved, are left out: there it looks better than it is.
Both are scored in one precision (``precision.py``): where the commits' differ, the challenger may have to predict anew.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Collection, Iterable
from contextlib import chdir
from pathlib import Path

from dvc.repo import Repo

from flows.champion import manifest, precision, registry
from flows.champion.verdict import Judged, Verdict
from flows.errors import NotFetched, StageFailed
from flows.machine.checkout import project
from flows.machine.git import git, identity
from flows.machine.home import Home
from flows.pipeline.missing import install_hints
from flows.pipeline.stage import guarded
from flows.runs import fetching, workspace
from flows.runs.metrics import Evaluation
from flows.runs.old_params import section_today, seed_of
from flows.runs.run_record import Version
from flows.runs.summary import model_lines
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.rows import TEXT_PAIR
from tasks.core.tables import columns_of, read_table
from tasks.dataset import layout
from tasks.gate import CANNOT_TELL, KEEP, Params, Rule
from tasks.gate.tables import DifferentTasks, Table, pair, read_predictions
from tasks.gate.verdict import extra_columns, gate_verdict
from tasks.score import Precision

log = logging.getLogger(__name__)

NOTES = "verdicts"  # git notes: every verdict on the commit it judged, of one project


def clone_with(home: Home, commit: str, folder: Path, outputs: Iterable[Path]) -> Path:
    """A clone at the commit that holds these outputs, from the shared cache or a DVC remote. UserError without them."""
    folder = workspace.clone(home, commit, folder, workspace.shared_cache(home))
    fetch(folder, commit, outputs)
    return folder


def fetch(folder: Path, commit: str, outputs: Iterable[Path]) -> None:
    """Bring these outputs into a clone at the commit, from its cache or a DVC remote. NotFetched without them.

    UserError where the commit was promoted and they are not the files that were.
    """
    outputs = list(outputs)
    try:
        with Repo(str(folder)) as repo:
            fetching.bring(repo, fetching.outputs(repo, outputs))
    except NotFetched as failure:
        raise NotFetched(f"commit {commit[:12]}: {failure}") from None
    manifest.verify(folder, commit, outputs)


def judge(home: Home, commit: str, champion: Version | None, rule: Rule | None) -> Verdict:
    """The gate's verdict on the commit's model."""
    judged = Judged(champion=champion.commit if champion else None, challenger=commit)
    with tempfile.TemporaryDirectory() as made:
        own = [layout.SPLITS, layout.window("reference").scored]
        challenger_clone = clone_with(home, commit, Path(made) / "challenger", own)
        if champion is None:
            return _first(challenger_clone, judged)
        champion_clone = clone_with(home, champion.commit, Path(made) / "champion", [paths.CLASSIFIER])
        _fetch_splits(champion_clone, champion)
        if precision.of_scores(challenger_clone) != _common(champion_clone, challenger_clone):
            fetch(challenger_clone, commit, [paths.CLASSIFIER])
        log.info(f"the champion {champion} predicts the test rows of {commit[:12]}")
        before = [one for one in verdicts(home.origin) if one.judged != judged]
        return compare(champion_clone, challenger_clone, rule, judged, before)


def compare(
    champion_clone: Path, challenger_clone: Path, rule: Rule | None, judged: Judged, before: Iterable[Verdict] = ()
) -> Verdict:
    """The gate's verdict on two clones: the champion's, with its model, and the challenger's, with its scored rows, and
    its model where the precision of the two differs."""
    common = _common(champion_clone, challenger_clone)
    theirs = answers(champion_clone, challenger_clone / layout.split("test"), common)
    section = section_today(Params, "gate", challenger_clone / paths.PARAMS)
    section = section.model_copy(update={"rule": rule}) if rule else section
    test, learnt = read_predictions(challenger_clone / layout.split("test")), _learnt_from(champion_clone)
    unseen = {key: label for key, label in zip(test["id"], test["label"], strict=True) if key not in learnt}
    seen = len(test["id"]) - len(unseen)
    left_out = f"{seen} of {len(test['id'])} test rows are left out: the champion was trained on them." if seen else ""
    if seen and len(set(unseen.values())) < 2:
        reason = f"{left_out} The {len(unseen)} others have fewer than two labels: label rows of the newest window."
        return Verdict(promote=False, reason=reason, judged=judged, figures={"outcome": CANNOT_TELL, "seen_rows": seen})
    ours = _own_predictions(challenger_clone, unseen, common)
    try:
        rows = pair(in_order_of(theirs, unseen), ours, None, extra_columns(section))
    except DifferentTasks as why:
        return Verdict(promote=False, reason=str(why), judged=judged, figures={"outcome": CANNOT_TELL})
    found = gate_verdict(rows, section, seed_of(challenger_clone / paths.PARAMS), [one.figures for one in before])
    found = found | {"seen_rows": seen, "precision": common}
    found["reason"] = " ".join(filter(None, [left_out, found["reason"], _rescored(challenger_clone, champion_clone)]))
    return _unless_worse_than_baseline(Verdict.of(found, judged), Evaluation.in_folder(challenger_clone))


def _common(champion_clone: Path, challenger_clone: Path) -> Precision:
    return precision.common(precision.of_code(champion_clone), precision.of_scores(challenger_clone))


def _rescored(challenger_clone: Path, champion_clone: Path) -> str:
    differ = precision.of_scores(challenger_clone) != precision.of_code(champion_clone)
    return "Both were scored in fp32, since their score.precision differs." if differ else ""


def _learnt_from(clone: Path) -> set[str]:
    """The ids of the rows that the clone's model was trained on, or chosen by; none where its splits are gone."""
    splits = [clone / layout.split(name) for name in ("train", "validation")]
    return {key for split in splits if split.exists() for key in read_table(split, ["id"])["id"].to_pylist()}


def _fetch_splits(clone: Path, champion: Version) -> None:
    try:
        fetch(clone, champion.commit, [layout.SPLITS])
    except NotFetched as gone:
        log.warning(f"what {champion} was trained on is not known, so no row is left out of the comparison: {gone}")


def _unless_worse_than_baseline(verdict: Verdict, found: Evaluation) -> Verdict:
    """A model that the baseline beats by more than chance explains is for a person to force."""
    difference = found.intervals.difference
    if difference is None or difference[1] >= 0:
        return verdict
    reason = (
        f"Its macro-F1 is worse than its baseline's: {found.difference or 0:+.3f} "
        f"[{difference[0]:+.3f}, {difference[1]:+.3f}]. {verdict.reason}"
    )
    return verdict.model_copy(
        update={"promote": False, "reason": reason, "figures": {**verdict.figures, "outcome": KEEP}}
    )


def _first(clone: Path, judged: Judged) -> Verdict:
    """There is no champion: whoever asks for it decides, knowing the baseline."""
    found = Evaluation.in_folder(clone)
    words = "; ".join(" ".join(line.split()) for line in model_lines(found))
    reason = f"There is no champion yet, so the gate has nothing to compare with. {words}."
    return _unless_worse_than_baseline(Verdict(promote=True, reason=reason, judged=judged, figures={}), found)


def answers(clone: Path, rows: Path, wanted: Precision) -> Table:
    """What the model of a clone, and its own code, predicts for a table of rows. Raises StageFailed."""
    with tempfile.TemporaryDirectory() as made:
        score(clone, rows, Path(made) / "answers.parquet", wanted)
        return read_predictions(Path(made) / "answers.parquet")


def own_answers(clone: Path, window: paths.WindowName, rows: Path, wanted: Precision) -> Table:
    """What a clone's model predicts for its window's ``rows``: what its stage wrote, unless in another precision."""
    if precision.of_scores(clone, window) == wanted:
        return read_predictions(clone / layout.window(window).scored)
    return answers(clone, clone / rows, wanted)


def score(clone: Path, rows: Path, predictions: Path, wanted: Precision) -> None:
    """Let the model of a clone, and its own code, predict a table of rows. Raises StageFailed."""
    command = [sys.executable, "-m", "tasks.score", "--input", str(rows), "--output", str(predictions)]
    if wanted != precision.of_code(clone):  # so it scores in bf16, and an earlier release's code is not asked
        command += ["--precision", wanted]
    if TEXT_PAIR in columns_of(rows):
        command += ["--pair-column", TEXT_PAIR]
    with chdir(clone):
        code, last = guarded(command)
    if code:
        raise StageFailed(
            "\n".join(["the model could not predict the rows; its last lines:", *last, *install_hints(last, clone)])
        )


def _own_predictions(clone: Path, ids: Collection[str], wanted: Precision) -> Table:
    """The challenger's predictions for these of its test rows, in their order."""
    scored = own_answers(clone, "reference", layout.split("test"), wanted)
    unknown = set(ids) - set(scored["id"])
    if unknown:
        raise UserError(f"{len(unknown)} test rows have no score, {min(unknown)!r} for one: run `dvc repro`")
    return in_order_of(scored, ids)


def in_order_of(table: Table, ids: Iterable[str]) -> Table:
    """The rows with these ids, in their order."""
    place = {key: i for i, key in enumerate(table["id"])}
    places = [place[key] for key in ids]
    return {name: [values[i] for i in places] for name, values in table.items()}


def notes_of(repository: Path) -> str:
    """The notes of the project that lies there; a folder of a larger repository has its own."""
    return "-".join([NOTES, *filter(None, project(repository).split("/"))])


def add_note(repository: Path, verdict: Verdict) -> None:
    """Note the verdict on the commit it judged: each use of the test rows counts, whether or not it promotes."""
    note = ["append", "-m", verdict.line(), verdict.judged.challenger]
    git(repository, "notes", f"--ref={notes_of(repository)}", *note, environment=identity(repository))


def verdicts(repository: Path) -> list[Verdict]:
    """What was decided before, once for each two commits: of the notes here and of the tags, which travel."""
    notes = [line.split()[0] for line in git(repository, "notes", f"--ref={notes_of(repository)}", "list").splitlines()]
    texts = [git(repository, "cat-file", "-p", note) for note in notes]
    texts += [event.message for event in registry.history(repository)]
    found = [one for text in texts for one in Verdict.lines(text)]
    return list({one.judged: one for one in found}.values())
