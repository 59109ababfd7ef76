"""The strict loader of ``params.yaml``: a section is a frozen class, and a key nobody knows is refused by name."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import Refused
from tasks.paths import PARAMS

STAGES = (
    "ingest",
    "validate",
    "split",
    "tokenize",
    "pretrain",
    "finetune",
    "score",
    "evaluate",
    "explain",
    "drift",
    "report",
)
BESIDE = ("gate",)  # sections of what is run beside the pipeline


class Section(BaseModel):
    """Base of every section: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _as_utc(value: object) -> object:
    """ISO dates and times, quoted or not, become UTC; a time without a zone is taken to be UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("write a date or time as 2002-09-01 or 2002-09-01T12:00:00+00:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


S = TypeVar("S", bound=Section)
UtcTime = Annotated[datetime, BeforeValidator(_as_utc)]


class Columns(Section):
    """Which column of the source plays which part; exactly one of text and image holds the input."""

    text: str | None = None
    image: str | None = None
    label: str | None = None
    timestamp: str | None = None
    id: str | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.text is None) == (self.image is None):
            raise ValueError("name exactly one of text and image")
        return self


class LateLabels(Section):
    """A table of labels that arrived after the rows they belong to."""

    source: str
    id: str
    label: str


class WindowRange(Section):
    """A half-open range of time [from, until), with its own source, columns or late labels where they differ."""

    from_: UtcTime | None = Field(default=None, alias="from")
    until: UtcTime | None = None
    source: str | None = None
    columns: Columns | None = None
    labels: LateLabels | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.from_ and self.until and self.from_ >= self.until:
            raise ValueError(f"from ({self.from_:%Y-%m-%d %H:%M}) is not before until ({self.until:%Y-%m-%d %H:%M})")
        return self

    def contains(self, moment: datetime) -> bool:
        """Whether a UTC time falls into the range."""
        return (self.from_ is None or self.from_ <= moment) and (self.until is None or moment < self.until)


class Windows(Section):
    """The two windows of time that everything is about."""

    reference: WindowRange = WindowRange()
    current: WindowRange = WindowRange()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Both ranges read one source unless a window names its own; then a row in both would be judged by itself."""
        a, b = self.reference, self.current
        undated = not any((a.from_, a.until, b.from_, b.until))
        if undated or a.source != b.source:
            return self
        starts_after = a.from_ is not None and b.until is not None and a.from_ >= b.until
        ends_before = a.until is not None and b.from_ is not None and a.until <= b.from_
        if not (starts_after or ends_before):
            raise ValueError("reference and current overlap: let one end where the other begins")
        return self


class Model(Section):
    """The pretrained checkpoint: ``package:<module>/<folder>``, a hub name with its revision, or a folder here."""

    name: str | None
    """Null: none, for a family that reads images."""
    revision: str | None = None
    family: str | None = None
    """A model of tasks/families, drawn at random over the checkpoint's tokenizer; null: the checkpoint itself."""
    config: dict[str, Any] | None = None
    """What the family takes; null: as it has it."""


class General(Section):
    """What stands at the top level of ``params.yaml``."""

    seed: int = 7
    task: Literal["single_label"] = "single_label"
    model: Model
    windows: Windows = Windows()


def read(file: Path = PARAMS) -> dict[str, Any]:
    """The whole of ``params.yaml``, its top-level names checked; read by the parser that DVC reads it with."""
    try:
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{file} does not exist: run this from the top of the repository") from None
    except YAMLError as error:
        raise Refused(f"{file} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise Refused(f"{file} must hold a mapping of sections")
    known = (*General.model_fields, *STAGES, *BESIDE)
    for key in values:
        if key not in known:
            raise Refused(f"{file}: unknown key {key!r}; the keys are {', '.join(known)}")
    return values


def load(cls: type[S], section: str, file: Path = PARAMS) -> S:
    """The section of that name as its class; every fault is named with its key, value and place."""
    return parse(cls, read(file).get(section) or {}, section, file)


def general(file: Path = PARAMS) -> General:
    """The top-level values that belong to no single stage."""
    values = read(file)
    return parse(General, {key: values[key] for key in General.model_fields if key in values}, "", file)


def parse(cls: type[S], values: object, section: str, file: Path) -> S:
    """The values of a section as its class; ``section`` and ``file`` say where a fault is."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise Refused("\n".join(_explain(fault, cls, section, file) for fault in error.errors())) from None


def _explain(fault: Any, cls: type[Section], section: str, file: Path) -> str:
    path = [str(part) for part in fault["loc"]]
    key = ".".join([section, *path] if section else path)
    if fault["type"] == "extra_forbidden":
        names = _names(cls, path[:-1])
        return f"{file}: unknown key {key}" + (f"; {section or 'it'} takes {', '.join(names)}" if names else "")
    if fault["type"] == "missing":
        return f"{file}: {key} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    value = "" if isinstance(fault["input"], (dict, BaseModel)) else f", not {fault['input']!r}"
    return f"{file}: {key or section}: {message}{value}"


def _names(cls: type[Section], path: list[str]) -> list[str]:
    """The keys that a (nested) section takes, as a user writes them."""
    here: Any = cls
    for part in path:
        here = getattr(here.model_fields.get(part), "annotation", None)
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            return []
    return [field.alias or name for name, field in here.model_fields.items()]
