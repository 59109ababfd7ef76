"""What the flows take, in groups: on Prefect's page each is a part of the form, in ``prefect.yaml`` a mapping.

Every key has a default. A key that is not known, or a value of another type, is refused. No Prefect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from flows.machine.home import CLONES_KEPT
from flows.machine.locks import Overlap
from tasks.core.params import Section
from tasks.core.paths import WindowName
from tasks.gate import Rule

RefitOn = Literal["never", "schedule", "alarm", "harmful", "unusual", "estimated_loss"]
Word = Literal["as before", "changed", "unusual", "harmful", "cannot be told"]
"""The verdict on a window."""
ALARM_ON: tuple[Word, ...] = ("harmful", "unusual")
Refits = Literal["auto", "probe", "full"]
Labels = Literal["late", "at_once"]
Action = Literal["nothing", "train", "promote"]
WindowSetting = str | None | Mapping[str, str | None]
WindowSettings = Mapping[WindowName, Mapping[str, WindowSetting]]
"""What is to be laid over ``windows`` of ``params.yaml``: by window, its keys and values."""


class Group(Section):
    """Base of every group: frozen, strict, and described on the page by the line under each field."""

    model_config = ConfigDict(use_attribute_docstrings=True)


A_DATE: JsonDict = {"pattern": r"^\d{4}-?\d{2}-?\d{2}([T ].*)?$"}
"""For the form; what is no date is refused by the flow in a sentence."""


class Window(Group):
    """Which window to look at; without any key the next one that has closed."""

    since: str | None = Field(default=None, json_schema_extra=A_DATE)
    """Where it begins, UTC: 2002-10-01. Together with `until`."""
    until: str | None = Field(default=None, json_schema_extra=A_DATE)
    """Where it ends; this moment is no part of it."""
    days: float | None = Field(default=None, gt=0)
    """How long the next window is. Default: as long as windows.current in the champion's params.yaml."""
    each: bool = False
    """Every closed window from `since` to `until`, one after another; without them, every one since the last. Windows
    that this champion was watched on before are left out."""


class Policy(Group):
    """What raises an alarm, when the champion is refitted, and how far that goes."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "max_loss": "tolerated_loss",
        "most_loss": "tolerated_loss",
        "rings": "alarm_on",
    }

    alarm_on: list[Word] = Field(default_factory=lambda: list(ALARM_ON))
    """The verdicts on a window that raise an alarm: harmful, unusual, changed, cannot be told, as before. The budget
    bounds the first two."""
    false_alarms_a_year: float = Field(default=1.0, gt=0)
    """The budget: if windows are exchangeable with the past, at most so many alarms are expected in any 365 days."""
    tolerated_loss: float = Field(default=0.02, gt=0, lt=1)
    """A window is harmful when accuracy has fallen by more than this; a refit is due on `estimated_loss` then, too."""
    refit_on: RefitOn = "never"
    """never; schedule: the newest training row is `every_days` old; alarm: the window raised an alarm; harmful,
    unusual: the verdict on the window; estimated_loss: accuracy, measured or estimated, fell by `tolerated_loss`."""
    every_days: float = Field(default=28.0, gt=0)
    """For `refit_on: schedule`: the age of the newest training row, in days."""
    cooldown_days: float = Field(default=7.0, ge=0)
    """No refit within so many days of the last one, or of the last attempt."""
    action: Action = "nothing"
    """On a refit that is due: nothing (only report it), train (and ask the gate), promote (if the gate allows)."""
    rule: Rule = "not_worse"
    """The gate's rule for the refitted model."""
    revision: str = "HEAD"
    """The branch, tag or commit that a refit trains from, and whose rows a window is read from."""


class Limits(Group):
    """What a run may use of its machine."""

    overlap: Overlap = "wait"
    """When another run of the repository is at work: wait for it, or skip this run."""
    stage_minutes: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Time limit by stage, in minutes: {finetune: 90, "*": 20}."""
    keep_clones: int = Field(default=CLONES_KEPT, ge=1)
    """How many clones of finished runs are kept, for a look at their reports."""
    other_versions: list[str] = Field(default_factory=list)
    """Packages whose installed version may differ from environment.json's: [torch]."""


class Publish(Group):
    """Who else hears of a run."""

    upstream: str | None = None
    """A git remote of the repository that gets the record, or the tags, too."""
    notify: str | None = None
    """A notification block, as slack-webhook/team, told once for each incident."""
    mlflow: str | None = None
    """An MLflow tracking server, as http://mlflow:5000, that gets each run on record and the champion's model."""


class Request(Group):
    """What another run asks a training for. Left empty by a schedule."""

    windows: WindowSettings | None = None
    """Takes the place of `windows` in params.yaml."""
    because: str | None = None
    """The run that asked for it, for the record."""


class Prices(Group):
    """What a policy costs, in any one currency."""

    wrong_answer: float = Field(default=0.0, ge=0)
    """Of a row of a watched window that the model got wrong."""
    label: float = Field(default=0.0, ge=0)
    """Of a row of a watched window that a refit could learn from."""
    core_hour: float = Field(default=0.0, ge=0)
    """Of a refit's training."""
    review: float = Field(default=0.0, ge=0)
    """Of a person's look at a refit, promoted or not."""


class Replay(Group):
    """How a backtest replays policies."""

    policies: list[RefitOn] = Field(default_factory=lambda: list(get_args(RefitOn)))
    """Which ones, compared with the first. Default: all."""
    refit: Refits = "auto"
    """probe: a logistic regression on the encoder's embeddings; full: the pipeline's own training; auto: probe where
    `model.name` names a pretrained encoder, else full."""
    labels: Labels = "late"
    """When a window's labels come: after its decision and before the refit, or at_once."""
    prices: Prices | None = None
    """What ranks the policies by money. Default: they are not ranked."""
    revision: str = "HEAD"
    """The branch, tag or commit whose data, parameters and pipeline are replayed."""


class Keep(Group):
    """What stays on the machine and on Prefect's server. What a version or a record needs stays in any case."""

    clones: int = Field(default=CLONES_KEPT, ge=0)
    """The newest clones of finished runs."""
    checkpoints: int = Field(default=3, ge=0)
    """The newest checkpoints of interrupted trainings ..."""
    checkpoint_days: float = Field(default=30.0, ge=0)
    """... that are no older than this."""
    server_days: float | None = Field(default=None, ge=0)
    """Runs on Prefect's server, with their logs, since they ended; null: for ever."""
    record_days: float | None = Field(default=None, ge=0)
    """Records since their run ended; null: for ever. Those of versions and of the newest runs stay."""
    cache: Literal["all", "needed"] = "all"
    """Of DVC's cache: all, or only what a commit, record, tag or working tree names."""


KEEP = Keep()
WINDOW, POLICY, LIMITS, PUBLISH = Window(), Policy(), Limits(), Publish()
REQUEST, REPLAY = Request(), Replay()
"""The defaults of the flows."""
