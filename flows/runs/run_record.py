"""What a run leaves behind, as one frozen value: ``reports/run.json`` of its record, read as strictly as it is written.

``version`` counts the forms of that file. Those of earlier releases are read too; the first had no number.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from flows.errors import FlowError
from flows.parameters import Policy
from flows.pipeline.result import Result
from flows.runs.renamed import Renamed, flow_today, metrics_today
from flows.windows.policy import Decision, Facts
from flows.windows.ranges import TimeRange, UtcMoment
from flows.windows.segments import Carrier, Needed
from flows.windows.verdict import WindowVerdict

COMPLETED = "completed"
OVERDUE = timedelta(minutes=15)
"""What a run may begin after it was due before it counts as late."""


class Frozen(BaseModel):
    """Base of what is recorded: no field changes, and none that is not known is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Version(Frozen):
    """A registered model."""

    name: str
    """``v0.0.2``"""
    commit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:12]})"


class Device(Frozen):
    """What a run ran on."""

    cpu: str
    """Its name and the widest instructions; of releases before 0.3.0 the name alone."""
    threads: int | None
    gpus: tuple[str, ...]
    precision: str | None = None
    """Of the training; None where none was, or its family has no choice."""
    scoring: str | None = None
    """Of the scores; None: fp32."""

    def __str__(self) -> str:
        scoring = f"scores in {self.scoring}" if self.scoring else None
        return ", ".join([self.cpu, f"{self.threads} threads", *self.gpus, *filter(None, [self.precision, scoring])])

    def same_kind(self, other: Device) -> bool:
        """Whether the same inputs give the same bytes on both."""
        cpus = {self.cpu, other.cpu}
        widened = {cpu.rpartition(", ")[0] for cpu in cpus} & cpus  # one of an earlier release
        return (len(cpus) == 1 or bool(widened)) and self.gpus == other.gpus


class Measured(Frozen):
    """The accuracy of the rows of a window that have a label."""

    accuracy: float
    interval: tuple[float, float]
    """95 %, Clopper and Pearson."""
    rows: int
    of: int
    """Rows that were drawn to be labelled."""
    over: str
    """Which rows these are, in words."""


class Watched(Frozen):
    """What monitoring found in one window, and what it decided."""

    champion: Version
    window: TimeRange | None
    """None: undated data, all of the current window's source."""
    seen_until: UtcMoment | None
    """The end of the newest window watched so far."""
    rows: int
    measured: Measured | None
    verdict: WindowVerdict
    to_label: str | None
    """The file of rows to label."""
    policy: Policy
    facts: Facts
    decision: Decision
    tried_at: UtcMoment | None
    """The end of the window that last set off a refit."""
    no_rows: bool = False
    """Nothing had arrived in it: nothing was watched, and all that is said of rows is empty."""
    where: Carrier | None = None
    """The segment that carries the verdict; None: it is as before, or no segment was told."""
    labels_needed: Needed | None = None
    """Where labels are asked for and an accuracy is known."""
    arrived: tuple[TimeRange, ...] = ()
    """Earlier windows without rows that have some now."""

    @property
    def title(self) -> str:
        """The window and the verdict, in a few words."""
        return f"{self.window or 'all there is'}: {'no rows' if self.no_rows else self.verdict.word}"


class EarlierTry(Frozen):
    """How the same run ended before somebody had it tried again."""

    outcome: str
    started: datetime
    ended: datetime
    commit: str
    """That it was pinned to."""


class RunRecord(Frozen):
    """One run of a flow: what it worked on, what it did, and how it ended."""

    version: Literal[4] = 4
    name: str
    flow: str
    """As it is called today."""
    outcome: str
    """``completed``, or ``failed:`` and why."""
    started: datetime
    ended: datetime
    repository: str
    commit: str
    """That it was pinned to."""
    revision: str | None = None
    """The branch, tag or commit that was asked for."""
    because: str | None = None
    """The run that asked for this one."""
    params_sha256: str | None
    inputs: dict[str, str | None]
    """The md5 of every file or folder that no stage made."""
    driftline: str | None = None
    """The release whose flows ran; the stages are those of ``commit``."""
    versions: dict[str, str]
    device: Device
    host: str
    stages: tuple[Result, ...]
    watched: Watched | None = None
    """Of a run of monitoring that got as far."""
    earlier: tuple[EarlierTry, ...] = ()
    """The tries before a retry, the first one first; all else is the last try's."""
    due: datetime | None = None
    flow_run: str | None = None
    """Prefect's id, which its page's address ends with."""

    @property
    def late(self) -> timedelta | None:
        """By how much it began late; None where it was in time or is a retry."""
        by = self.started - self.due if self.due and not self.earlier else timedelta()
        return by if by > OVERDUE else None

    @property
    def lateness(self) -> str:
        """In words; nothing where it was in time."""
        return f"started {str(self.late).rpartition(':')[0]} h late" if self.late else ""

    @property
    def unchanged(self) -> bool:
        """Whether there was nothing to do: a duplicate of the run before, or no news."""
        watched = not (self.watched and self.watched.no_rows)
        return (
            self.completed and watched and bool(self.stages) and all(one.outcome == "unchanged" for one in self.stages)
        )

    @property
    def marks(self) -> list[str]:
        """The tags that its flow run gets."""
        seen = self.watched
        found = {"late": self.late, "retry": self.earlier, "alarm": seen and seen.verdict.alarm}
        found["no-rows"] = seen and seen.no_rows
        words = [seen.verdict.word] if seen and not seen.no_rows else []
        return [*(mark for mark, holds in found.items() if holds), *words]

    def in_words(self) -> str:
        """The outcome in a line, with how the earlier tries ended."""
        now, *before = [one.splitlines()[0] for one in (self.outcome, *(past.outcome for past in self.earlier))]
        return "".join(
            [
                now,
                ", nothing had changed" if self.unchanged else "",
                ", the window has no rows" if self.watched and self.watched.no_rows else "",
                f", {self.lateness}" if self.late else "",
                f" at try {len(self.earlier) + 1}; before: {'; '.join(before)}" if before else "",
            ]
        )

    def tries(self) -> tuple[EarlierTry, ...]:
        """The earlier tries and this one, as the record of the next try has them."""
        return (*self.earlier, EarlierTry(**self.model_dump(include=set(EarlierTry.model_fields))))

    @property
    def completed(self) -> bool:
        """Whether the run ended well."""
        return self.outcome == COMPLETED

    @classmethod
    def read(cls, text: str, where: str) -> RunRecord:
        """The content of a ``run.json``. FlowError: it is of no release that this one knows."""
        try:
            return cls.model_validate_json(json.dumps(_today(json.loads(text))))
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(map(str, fault["loc"]))
            raise FlowError(
                f"{where} cannot be read: {key}: {fault['msg']}; a newer release may have written it"
            ) from None
        except (ValueError, RecursionError):
            raise FlowError(f"{where} cannot be read: it is no JSON") from None
        except (KeyError, TypeError, AttributeError) as error:  # of an earlier form, which is not checked before
            raise FlowError(f"{where} cannot be read: it lacks what its release wrote ({error})") from None


def _today(values: dict[str, Any]) -> dict[str, JsonValue]:
    """The content of a ``run.json`` of any release, in today's form."""
    found = values if "version" in values else _from_first(values)
    found = _from_second(found) if found["version"] == 2 else found
    return metrics_today("run", found, THIRD) | {"version": 4} if found["version"] == 3 else found


THIRD = (
    Renamed("run", "watched.verdict.rings", "watched.verdict.alarm"),
    Renamed("run", "watched.facts.rings", "watched.facts.alarm"),
    Renamed("run", "watched.policy.rings", "watched.policy.alarm_on"),
)
"""What the third form, in which a window "rang", calls by another name."""
WATCHED = ("champion", "window", "seen_until", "rows", "drifted", "measured", "past", "to_label", "facts", "decision")


def _from_first(values: dict[str, Any]) -> dict[str, JsonValue]:
    """The form without a number: what monitoring found stood beside all else, under the policy's earlier keys."""
    found = {key: value for key, value in values.items() if key not in (*WATCHED, "policy", "act", "tried_at")}
    found |= {"version": 2, "flow": flow_today(values["flow"])}
    if "decision" in values:
        old = values["policy"]
        policy = {
            "refit_on": old["policy"],
            "max_loss": old["most_loss"],
            **{key: old[key] for key in ("every_days", "cooldown_days")},
            "action": values["act"],
        }
        watched = {**{key: values[key] for key in WATCHED}, "policy": policy, "tried_at": values["tried_at"]}
        found["watched"] = watched
    return found


def _from_second(values: dict[str, Any]) -> dict[str, JsonValue]:
    """Before a window had a verdict in a word: drift was all there was, and it was the alarm."""
    found, old = {**values, "version": 3}, values.get("watched")
    if not old:
        return found
    drifted = old["drifted"]
    untold = {"beyond": None, "p": None, "level": 0.05, "past": 0, "by": None}
    watched = {key: value for key, value in old.items() if key not in ("drifted", "past")}
    watched["verdict"] = {
        "word": {True: "changed", False: "as before", None: "cannot be told"}[drifted],
        "rings": drifted is True,
        "changed": drifted,
        "unusual": untold,
        "harm": {"holds": None},
        "windows_a_year": None,
        "runs": [],
        "reference_windows": 0,
        "computed": False,
    }
    policy = {**old["policy"], "rings": ["changed"]}
    policy["tolerated_loss"] = policy.pop("max_loss", 0.02)
    facts = {key: value for key, value in old["facts"].items() if key != "drifted"}
    facts |= {"word": watched["verdict"]["word"], "rings": drifted is True}
    found["watched"] = {**watched, "policy": policy, "facts": facts}
    return found
