"""A run as an object, for notebooks and scripts: what its pages say, and the figures and scores behind that::

    from flows.runs import Run

    Run.load(".").verdict                 # of the working tree
    Run.load(".", "training-mails-…")     # of a run on record, by its name or commit
    Run.recorded(".")                     # every run on record, the newest first

Everything is read when it is asked for, and nothing is computed anew or changed. Importing this loads no framework.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from flows.errors import GitFailed
from flows.machine.git import git, succeeds, typed
from flows.machine.home import Home
from flows.runs import record
from flows.runs.metrics import DriftVerdict, Evaluation
from flows.runs.record import Experiment
from flows.runs.renamed import metrics_today
from flows.runs.run_record import RunRecord, Version, Watched
from flows.windows.policy import Decision
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.params import General, parse
from tasks.core.paths import WindowName
from tasks.core.yaml_files import parse_yaml
from tasks.dataset import layout
from tasks.dataset.windows import Windows

if TYPE_CHECKING:
    import pandas as pd

    from flows.champion.model_table import Paired
    from tasks.report.inputs import Inputs
    from tasks.report.verdict import Finding

PIPELINE = "dvc.yaml"


@dataclass(frozen=True)
class Comparison:
    """Two runs' figures on their test rows."""

    this: str
    other: str
    figures: Mapping[str, tuple[float | None, float | None]]
    """By measure: this run's and the other's; None where a run has no such figure."""
    paired: Paired | None
    """Macro-F1 of this run less the other's on the same rows, with its 95 % interval: what decides."""
    unpaired_because: str
    """Why there is no paired difference; empty where there is one."""

    def table(self) -> pd.DataFrame:
        """The figures, a row for each measure, with the plain difference beside them."""
        import pandas as pd

        found = pd.DataFrame.from_dict(dict(self.figures), orient="index", columns=[self.this, self.other])
        return found.assign(difference=found[self.this] - found[self.other])


@dataclass(frozen=True)
class Run:
    """The working tree's last run, or one on record."""

    home: Home = field(repr=False)
    name: str
    """Of the record; ``working tree``."""
    record: RunRecord | None = field(default=None, repr=False)
    """What it did, when and on what; None of the working tree, whose runs by hand leave none."""
    experiment: Experiment | None = field(default=None, repr=False)
    """The commit of the record."""

    @classmethod
    def load(cls, folder: str | Path = ".", run: str | None = None) -> Self:
        """Of a repository, at its top or below: the working tree, or the run on record of that name or commit.

        Another commit, tag or branch is read too, without a record. UserError: no repository of Driftline's, nothing
        has run in it, or no such run.
        """
        home = _home(folder)
        if run is not None:
            known = record.known(home.origin, run)
            found = known or _at_commit(home, run) or record.find(home.origin, run)
            return cls(home, found.name, record.read_record(home.origin, found) if known else None, found)
        if not list((home.origin / paths.METRICS).glob("*.json")):
            raise UserError(f"{home.origin} has no metrics yet: `driftline run` makes them")
        return cls(home, "working tree")

    @classmethod
    def recorded(cls, folder: str | Path = ".") -> tuple[Self, ...]:
        """Every run on record, the newest first; failed ones too."""
        home = _home(folder)
        known = record.records(home.origin)
        return tuple(cls(home, one.name, record.read_record(home.origin, one), one) for one in known)

    @property
    def verdict(self) -> str:
        """What heads its page: of a watched window the word for it, else what to think of model and data."""
        if self.watched:
            return self.watched.title
        from tasks.report.verdict import headline

        model, drift, _ = self.findings
        return headline(model, drift)

    @property
    def decision(self) -> Decision | None:
        """Whether to refit after the window that it watched, and why; None where it watched none."""
        return self.watched.decision if self.watched else None

    @property
    def watched(self) -> Watched | None:
        """The window that it watched: verdict, measured accuracy, facts; None where it watched none."""
        return self.record.watched if self.record else None

    @cached_property
    def findings(self) -> tuple[Finding, Finding, Finding]:
        """What the report says of the model, of drift and of the rows: each with a title, a tone and the figures."""
        from tasks.report.verdict import findings

        return findings(self._inputs)

    @cached_property
    def next_steps(self) -> tuple[str, ...]:
        """What the report says is to be done, the most important first."""
        from tasks.report.verdict import steps

        return tuple(step.text for step in steps(self._inputs, *self.findings))

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Every figure, by the name of its file in ``metrics/``: ``metrics["evaluate"]["macro_f1"]``."""
        found = {name: self._content(paths.METRICS / f"{name}.json") for name in self._names_of_metrics()}
        return MappingProxyType({name: metrics_today(name, content) for name, content in found.items()})

    @property
    def summary(self) -> Mapping[str, Any]:
        """The few numbers by which runs are compared at a glance."""
        return self._metrics_of("summary")

    @property
    def evaluation(self) -> Evaluation:
        """The model's figures on the test rows, typed. UserError: it evaluated none."""
        return Evaluation.of(self._metrics_of("evaluate"), f"{self.name}: evaluate.json")

    @property
    def drift(self) -> DriftVerdict:
        """The drift test's answer, typed. UserError: it tested none."""
        return DriftVerdict.of(self._metrics_of("drift"), f"{self.name}: drift.json")

    @property
    def targets(self) -> Mapping[str, bool | None]:
        """The targets of ``behaviour.yaml``, by test, and whether each is met; None: it could not be tried."""
        tests = self._metrics_of("evaluate").get("behaviour") or []
        return {its["name"]: its["target_met"] for its in tests if its.get("at_least") is not None}

    @property
    def target_met(self) -> bool | None:
        """Whether every target is; None where none is stated, or one could not be tried and no other is missed."""
        met = self.targets.values()
        return False if False in met else None if None in met or not met else True

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """``params.yaml`` as the run had it."""
        return MappingProxyType(dict(parse_yaml(self._text(paths.PARAMS), paths.PARAMS) or {}))

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The packages that its stages depended on, with their versions; empty of a release that did not say."""
        try:
            return MappingProxyType(dict(self._content(paths.ENVIRONMENT)))
        except (UserError, GitFailed):
            return MappingProxyType({})

    @property
    def windows(self) -> Windows:
        """The ranges of its reference and current rows."""
        return parse(Windows, self.params.get("windows") or {}, "windows", paths.PARAMS)

    @property
    def watched_windows(self) -> tuple[Watched, ...]:
        """Every window on record in the repository, the oldest first; of one that was watched twice the newest look."""
        found: dict[object, Watched] = {}
        for one in type(self).recorded(self.home.origin):
            if one.watched:
                found.setdefault(one.watched.window or one.name, one.watched)
        return tuple(reversed(found.values()))

    @property
    def reports(self) -> Mapping[str, Path]:
        """The pages that lie on this machine, by name: ``index``, ``drift``, ``explained``, ``data_docs/current``.

        Those of a run on record are in its clone; ``driftline report RUN`` brings them back where that is gone.
        """
        top = self.folder / paths.REPORTS
        docs = {f"data_docs/{name}": layout.window(name).data_docs / "index.html" for name in paths.WINDOWS}
        found = {page.stem: page for page in sorted(top.glob("*.html"))}
        return found | {name: self.folder / page for name, page in docs.items() if (self.folder / page).exists()}

    @property
    def folder(self) -> Path:
        """Where its files lie or lay: the working tree, or the run's clone."""
        return self.home.origin if self.experiment is None else self.home.clone_of(self.name)

    def scores(self, window: WindowName = "reference") -> pd.DataFrame:
        """A row for each scored row of the window: id, prediction, decision, confidence, a probability for each label.

        UserError: the file is gone, with the command that brings it back.
        """
        import pandas as pd

        return pd.read_parquet(self._scored(window))

    @property
    def champion(self) -> Version | None:
        """The version in production now, whatever it was when this ran; None: none yet."""
        from flows.champion import registry

        return registry.champion(self.home.origin)

    @property
    def is_champion(self) -> bool:
        """Whether its model is the champion, byte for byte."""
        commit = self.experiment.commit if self.experiment else "HEAD"
        champion = self.champion
        return champion is not None and record.same_model(self.home.origin, commit, champion.commit)

    def compare(self, other: Run) -> Comparison:
        """This run beside another. The paired difference needs both runs' scores, and this run's test rows."""
        import pyarrow as pa

        from flows.champion.model_table import Model, paired

        ours, theirs = (_numbers(one._metrics_of("evaluate")) for one in (self, other))
        figures = {name: (ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
        found, why = None, ""
        try:
            found = paired(self.folder, Model(other.name, other.evaluation, other._scored("reference")))
        except (UserError, pa.ArrowException) as error:
            why = str(error)
        return Comparison(self.name, other.name, MappingProxyType(figures), found, why)

    def output(self, path: Path) -> Path | None:
        """The file of an output, in the run's folder or in DVC's cache; None where neither has it."""
        if (self.folder / path).exists():
            return self.folder / path
        if self.experiment is None:
            return None
        from flows.runs.workspace import cached

        if md5 := record.made(self.home.origin, self.experiment.commit, path):
            return cached(self.home, md5)
        whole = record.made(self.home.origin, self.experiment.commit, path.parent)
        listed = cached(self.home, whole) if whole else None
        entries = json.loads(listed.read_text(encoding="utf-8")) if listed else []
        found = next((entry["md5"] for entry in entries if entry["relpath"] == path.name), None)
        return cached(self.home, found) if found else None

    def _scored(self, window: WindowName) -> Path:
        path = layout.window(window).scored
        if found := self.output(path):
            return found
        if self.experiment is None:
            raise UserError(
                f"{self.folder / path} does not exist: `dvc pull {path}` brings it, `driftline run` makes it"
            )
        again = f"`dvc exp apply {self.name}` and `driftline run`"
        raise UserError(f"{path} of {self.name} is not in DVC's cache: `dvc fetch` brings it, or {again} make it anew")

    def _metrics_of(self, name: str) -> Mapping[str, Any]:
        if name not in self.metrics:
            raise UserError(f"{self.name} has no {paths.METRICS / name}.json: `driftline run` makes it")
        return self.metrics[name]

    def _names_of_metrics(self) -> list[str]:
        if self.experiment is None:
            return sorted(file.stem for file in (self.home.origin / paths.METRICS).glob("*.json"))
        listed = git(self.home.origin, "ls-tree", "--name-only", self.experiment.commit, f"{paths.METRICS}/")
        return [Path(line).stem for line in listed.splitlines() if line.endswith(".json")]

    def _content(self, file: Path) -> dict[str, Any]:
        if self.experiment is None:
            return read_json(self.home.origin / file)
        try:
            return dict(json.loads(self._text(file)))
        except (ValueError, TypeError):
            raise UserError(f"{file} of {self.name} is no JSON object: `driftline run` makes it anew") from None

    def _text(self, file: Path) -> str:
        """A file's content in the working tree, or at the record's commit."""
        if self.experiment is None:
            return (self.home.origin / file).read_text(encoding="utf-8")
        return git(self.home.origin, "show", f"{self.experiment.commit}:./{file}")

    @cached_property
    def _inputs(self) -> Inputs:
        """What the findings and the next steps rest on: the metrics, and no row."""
        from tasks.report.inputs import Inputs, read_curves

        of = {
            name: self._metrics_of(name) for name in ("split", "tokenize", "finetune", "baseline", "evaluate", "drift")
        }
        general = {key: self.params[key] for key in General.model_fields if key in self.params}
        curves = self.folder / paths.CURVES
        return Inputs(
            general=parse(General, general, "", paths.PARAMS),
            windows=self.windows,
            ingest={window: self._metrics_of(f"ingest_{window}") for window in paths.WINDOWS},
            validate={window: self._metrics_of(f"validate_{window}") for window in paths.WINDOWS},
            **of,
            curves=read_curves(curves) if curves.exists() else [],
            quarantine={},
        )


def _at_commit(home: Home, revision: str) -> Experiment | None:
    """What git knows by that name, as if it were a record; None where it knows none."""
    asked = ("rev-parse", "--verify", "--quiet", f"{typed(revision, 'run')}^{{commit}}")
    if not succeeds(home.origin, *asked):
        return None
    commit = git(home.origin, *asked)
    return Experiment(commit[:12], commit, commit, "")


def _home(folder: str | Path) -> Home:
    try:
        home = Home.of(folder)
    except (UserError, GitFailed):
        home = None
    if home is None or not (home.origin / PIPELINE).exists():
        where = Path(folder).expanduser().absolute()
        raise UserError(f"{where} is in no Driftline repository: name the folder in which `driftline run` ran")
    return home


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures at the top of a metrics file."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
