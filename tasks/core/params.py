"""The strict loader of ``params.yaml``: a section is a frozen class, and a key nobody knows is refused by name."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tasks.core.errors import UserError
from tasks.core.paths import PARAMS
from tasks.core.task import Task, refused
from tasks.core.yaml_files import read_yaml

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


class Section(BaseModel):
    """Base of every section: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Keys of an earlier release and what each is called now; an old key is refused with its new name."""

    RENAMED_VALUES: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """By key, values of an earlier release and what each is called now; an old value is refused in the same way."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed(cls, values: Any) -> Any:
        renamed = dict(cls.renamed_in(values)) if isinstance(values, dict) else {}
        if renamed:
            raise PydanticCustomError("renamed", "renamed", {"old": [*renamed], "new": [*renamed.values()]})
        return values

    @classmethod
    def renamed_in(cls, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """What in the values is written as an earlier release did, and how it is written now."""
        yield from ((old, new) for old, new in cls.RENAMED.items() if old in values)
        for key, names in cls.RENAMED_VALUES.items():
            if isinstance(old := values.get(key), str) and old in names:
                yield f"{key}: {old}", f"{key}: {names[old]}"


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


def _label_names(labels: object) -> object:
    """Whole numbers as labels are written; what YAML reads as another number or as a truth value is refused."""
    if not isinstance(labels, list):
        return labels
    odd = [one for one in labels if isinstance(one, bool | float)]
    if odd:
        raise ValueError(f"write {json.dumps(str(odd[0]).lower())} in quotes, as the source writes the label")
    return [str(one) if isinstance(one, int) else one for one in labels]


S = TypeVar("S", bound=Section)
UtcTime = Annotated[datetime, BeforeValidator(_as_utc)]
LabelNames = Annotated[list[str], BeforeValidator(_label_names)]


class Model(Section):
    """What is trained: a pretrained checkpoint, a model of a family, or a linear model where neither is named."""

    name: str | None = None
    """The checkpoint: ``package:<module>/<folder>``, a hub name with its revision, or a folder here; null: none."""
    revision: str | None = None
    family: str | None = None
    """A model of docs/families.md, drawn at random over the checkpoint's tokenizer. Null: the checkpoint itself, and
    ``linear`` without one."""
    config: dict[str, Any] | None = None
    """What the family takes; null: as it has it."""

    @model_validator(mode="before")
    @classmethod
    def _linear_without_checkpoint(cls, values: Any) -> Any:
        named = isinstance(values, dict) and (values.get("name") is not None or values.get("family") is not None)
        return {**values, "family": "linear"} if isinstance(values, dict) and not named else values


class General(Section):
    """What stands at the top level of ``params.yaml``, beside ``windows`` (tasks/dataset/windows.py)."""

    seed: int = 7
    task: Task = "single_label"
    """single_label: each row has one label. multi_label: any number of them (docs/howto/several-labels.md). ordinal:
    one, of labels that have an order (docs/howto/ordinal.md)."""
    label_order: Annotated[LabelNames, Field(min_length=2)] | None = None
    """With ``task: ordinal``: every label, the lowest first; null: labels are numbers, and these say the order."""
    model: Model = Model()

    @field_validator("label_order")
    @classmethod
    def _once(cls, labels: list[str] | None) -> list[str] | None:
        if labels is not None and len(set(labels)) != len(labels):
            raise ValueError("a label is named twice")
        return labels


def sections() -> list[str]:
    """Whose sections ``params.yaml`` may have: every module here that can be run, your own stages too."""
    here = Path(__file__).parent.parent
    return sorted(
        {*(file.parent.name for file in here.glob("*/__main__.py")), *(file.stem for file in here.glob("[!_]*.py"))}
    )


def read(file: Path = PARAMS) -> dict[str, Any]:
    """The whole of ``params.yaml``, its top-level names checked; read by the parser that DVC reads it with."""
    try:
        values = read_yaml(file)
    except FileNotFoundError:
        raise UserError(
            f"{file} does not exist: run this from the top of the repository, or `git checkout {file}`"
        ) from None
    if not isinstance(values, dict):
        raise UserError(f"{file} must hold a mapping of sections: correct it, or see `git diff {file}`")
    known = (*General.model_fields, "windows", *sections())
    for key in values:
        if key not in known:
            raise UserError(f"{file}: unknown key {key!r}; the keys are {', '.join(known)}")
    return values


def load(cls: type[S], section: str, file: Path = PARAMS) -> S:
    """The section of that name as its class; every fault is named with its key, value and place."""
    return parse(cls, read(file).get(section) or {}, section, file)


def general(file: Path = PARAMS) -> General:
    """The top-level values that belong to no single stage. UserError for a key that the task does not take."""
    values = read(file)
    found = parse(General, {key: values[key] for key in General.model_fields if key in values}, "", file)
    for key in refused(values, found.task):
        raise UserError(f"{file}: {key} is not for task: {found.task}: remove it, or set another task")
    return found


def parse(cls: type[S], values: object, section: str, file: Path) -> S:
    """The values of a section as its class; ``section`` and ``file`` say where a fault is."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(_explain(fault, cls, section, file) for fault in error.errors())) from None


def _explain(fault: Any, cls: type[Section], section: str, file: Path) -> str:
    path = [str(part) for part in fault["loc"]]
    place = [section, *path] if section else path
    key = ".".join(place)
    if fault["type"] == "renamed":
        pairs = zip(fault["ctx"]["old"], fault["ctx"]["new"], strict=True)
        renamed = [(".".join([*place, old]), ".".join([*place, new])) for old, new in pairs]
        return "\n".join(f"{file}: {old} is now {new}: rename it, or run `driftline upgrade`" for old, new in renamed)
    if fault["type"] == "extra_forbidden":
        names = _names(cls, path[:-1])
        return f"{file}: unknown key {key}" + (
            f"; {'.'.join(place[:-1]) or 'it'} takes {', '.join(names)}" if names else ""
        )
    if fault["type"] == "missing":
        return f"{file}: {key} is missing: add it"
    message = fault["msg"].removeprefix("Value error, ")
    value = "" if isinstance(fault["input"], (dict, BaseModel)) else f", not {_SHORT.repr(fault['input'])}"
    return f"{file}: {key or section}: {message}{value}"


def _names(cls: type[Section], path: list[str]) -> list[str]:
    """The keys that a (nested) section takes, as a user writes them."""
    here: Any = cls
    for part in path:
        here = getattr(here.model_fields.get(part), "annotation", None)
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            return []
    return [field.alias or name for name, field in here.model_fields.items()]
