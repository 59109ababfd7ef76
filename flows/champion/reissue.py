"""The champion on today's code: the same weights under a new version, once they give the same scores there.

Monitoring runs the champion's own code and parameters, those of its commit. What the branch has mended since, a reader
or a hole, reaches it by a new version: the branch's code and parameters, the champion's windows, splits and weights.
What reads the reference rows and scores them runs anew; nothing is trained. Where nothing but the installed packages
(``environment.json``) is new, other scores are told, and whether they do is for a person to say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from flows.champion import comparison, precision, proposal, registry
from flows.champion.code_age import code_age
from flows.champion.comparison import clone_with, fetch
from flows.champion.manifest import PROMOTED, Manifest
from flows.champion.training_window import windows_trained_on
from flows.errors import GitFailed
from flows.machine.git import address, git
from flows.machine.home import Home
from flows.monitoring import labelling
from flows.pipeline.graph import Dag
from flows.pipeline.stage import reproduce
from flows.runs import record, workspace
from flows.runs.publish import push_data
from flows.runs.record import LOCK
from flows.runs.run_record import Version
from flows.windows.ranges import set_windows
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.tables import columns_of, in_order_of, read_table
from tasks.core.yaml_files import parse_yaml
from tasks.dataset import layout
from tasks.score import Precision

AGAIN = ("ingest@reference", "validate@reference", "score@reference", "evaluate")
"""What runs on the new code."""
STAY = (paths.CLASSIFIER, layout.SPLITS)
SCORED = layout.window("reference").scored


@dataclass(frozen=True)
class Scores:
    """The test rows' answers then and now."""

    rows: int
    different: int
    """Of another prediction or confidence."""
    largest: float
    """Difference of a number."""
    answers: int
    """Rows of another prediction."""
    anew: Precision | None = None
    """In which both were scored anew, since their ``score.precision`` differs."""

    def __str__(self) -> str:
        how = f", both in {self.anew}" if self.anew else ""
        if not self.different:
            return f"equal on its {self.rows} test rows{how}"
        answers = f"{self.answers} other answers" if self.answers else "the same answers"
        return f"{self.different} of its {self.rows} test rows differ, by up to {self.largest:.2g}; {answers}{how}"


@dataclass(frozen=True)
class Reissue:
    """What came of it."""

    possible: bool
    version: Version | None
    """The new one."""
    lines: list[str]
    """For a person."""


def reissue(home: Home, revision: str, *, apply: bool, remote: str | None = None, again: bool = False) -> Reissue:
    """Put the champion's weights on the code of a revision; without ``apply`` only say what would come of it.

    ``again``, which nothing is applied with: score with the installed packages also what DVC sees no reason to.
    Raises UserError without a champion, where its files are gone, or where a stage refuses the rows; StageFailed.
    """
    if remote:
        address(home.origin, remote, "--push")
    commit = proposal.candidate(home, revision)
    champion = registry.champion(home.origin)
    if champion is None:
        raise UserError("there is no champion yet: `driftline promote` makes this commit's model it")
    age = code_age(home, champion.commit, commit)
    if not age.changed and not again:
        return Reissue(True, None, [f"nothing to do: {champion} has the code and parameters of {revision}"])
    with proposal.alone(home), tempfile.TemporaryDirectory() as made:
        promoted = [path for path in PROMOTED if record.made(home.origin, champion.commit, path)]
        before = clone_with(home, champion.commit, Path(made) / "before", promoted)
        after = _on_new_code(home, commit, champion, before, Path(made) / "after", again)
        scores = _compared(before, after, Path(made))
        weights = Manifest.of(after, [paths.CLASSIFIER])
        if weights.files != Manifest.of(before, [paths.CLASSIFIER]).files:
            raise UserError(f"{paths.CLASSIFIER} differs between the two clones: run `driftline verify`")
        lines = list(_lines(champion, commit, age.changed, weights, scores))
        code = set(age.changed) - {str(paths.ENVIRONMENT)}  # new packages are a person's decision
        if scores.different and code:
            judged = "there it answers otherwise and is another model: train and promote it, `driftline run`"
            return Reissue(False, None, [*lines, f"not re-issued: {judged}"])
        if again:
            return Reissue(True, None, lines)
        if not apply:
            return Reissue(True, None, [*lines, "nothing was changed; to re-issue it: the same command with --yes"])
        new = record.commit_work(after, f"{champion} on the code of {commit[:12]}")
        git(home.origin, "fetch", "--quiet", str(home.top_of(after)), new)
        if workspace.default_remote(after):
            push_data(after)
        message = "\n".join([f"re-issued from {champion} on the code of {commit[:12]}", "", *lines])
        version, further = proposal.take(home, new, message, remote, promoted)
    return Reissue(True, version, [*lines, f"re-issued: {version}", *filter(None, further)])


def _lines(
    champion: Version, commit: str, changed: tuple[str, ...], weights: Manifest, scores: Scores
) -> Iterator[str]:
    which = f" ({', '.join(changed[:5])})" if changed else ""
    yield f"{champion}, on the code of {commit[:12]}: {len(changed)} files changed{which}"
    first, sha = max(weights.files.items(), key=lambda file: file[0].endswith(".safetensors"))
    yield f"weights: the same {len(weights.files)} files, {first} has sha256 {sha}"
    yield f"scores: {scores}"


def _on_new_code(home: Home, commit: str, champion: Version, before: Path, folder: Path, again: bool) -> Path:
    """A clone at the commit with the champion's windows, splits and weights, in which the reference is scored anew."""
    folder = workspace.clone(home, commit, folder, workspace.shared_cache(home))
    set_windows(folder / paths.PARAMS, windows_trained_on(home, champion.commit))
    labelling.copy_labels(home, folder, paths.WINDOWS)
    workspace.take_landed(before / layout.LANDING, folder)
    workspace.take_landed(home.landing, folder)
    git(folder, "fetch", "--quiet", "origin", champion.commit)
    _take_metrics(folder, champion.commit)
    with chdir(folder):  # DVC names a stage from where one stands
        order = Dag().order()
        _take_lock(folder, champion.commit, order)
        workspace.materialise(folder)
        fetch(folder, champion.commit, STAY)
        for stage in (name for name in order if name in AGAIN):
            reproduce(stage, ["the code has changed"], options=["--force", "--no-commit"] if again else ())
    return folder


def _take_metrics(folder: Path, champion: str) -> None:
    try:
        git(folder, "restore", f"--source={champion}", "--worktree", "--", str(paths.METRICS))
    except GitFailed as none:
        raise UserError(f"{champion[:12]} has no metrics, so its model was never evaluated: {none}") from None


def _take_lock(folder: Path, champion: str, stages: list[str]) -> None:
    """What the champion's ``dvc.lock`` says of the stages that there are still: made by the code that it names."""
    lock = parse_yaml(git(folder, "show", f"{champion}:./{LOCK}"), Path(LOCK))
    lock["stages"] = {name: entry for name, entry in lock["stages"].items() if name in stages}
    text = StringIO()
    YAML().dump(lock, text)
    with replacing(folder / LOCK) as part:
        part.write_text(text.getvalue(), encoding="utf-8")


def _compared(before: Path, after: Path, folder: Path) -> Scores:
    """The scores of both clones; in fp32, of the test rows, where ``score.precision`` is another."""
    then, now = precision.of_scores(before), precision.of_scores(after)
    if then == now:
        return compare(before / SCORED, after / SCORED)
    common, scored = precision.common(then, now), [folder / "then.parquet", folder / "now.parquet"]
    for clone, predictions in zip((before, after), scored, strict=True):
        comparison.score(clone, clone / layout.split("test"), predictions, common)
    return replace(compare(*scored), anew=common)


def compare(then: Path, now: Path) -> Scores:
    """The scores of the same rows in two tables. UserError: the rows are others."""
    columns = [name for name in columns_of(then) if name in columns_of(now)]
    old, new = read_table(then, columns), read_table(now, columns)
    if set(old["id"].to_pylist()) != set(new["id"].to_pylist()):
        raise UserError("the code of the revision scores other test rows than the champion's: train and promote anew")
    new = in_order_of(new, old["id"])
    pairs = [list(zip(old[name].to_pylist(), new[name].to_pylist(), strict=True)) for name in columns]
    different = sum(any(a != b for a, b in row) for row in zip(*pairs, strict=True))
    numbers = [abs(a - b) for column in pairs for a, b in column if isinstance(a, float) and isinstance(b, float)]
    answers = sum(a != b for a, b in pairs[columns.index("prediction")])
    return Scores(len(old["id"]), different, max(numbers, default=0.0), answers)
