"""What is searched: ``search.yaml``, or what is usual for the model that params.yaml names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.core.paths import PARAMS
from tasks.core.yaml_files import read_yaml
from tasks.modelling.checkpoints import families
from tasks.preset import lay_over

FILE = Path("search.yaml")
CONFIG = "model.config"
SECTIONS = ("tokenize", "pretrain", "finetune")
"""Beside ``model.config``: what leaves the rows of the splits as they are."""
Measure = Literal["log_loss", "accuracy", "macro_f1"]
Value = bool | int | float | str | None
Values = dict[str, Value]
"""By dotted key of params.yaml."""


class Parameter(Section):
    """A key of params.yaml: a range, of whole numbers where both ends are, or choices."""

    low: int | float | None = None
    """With ``high``: only whole numbers are drawn where both are whole."""
    high: int | float | None = None
    """Included."""
    log: bool = False
    """Draw evenly over the logarithm."""
    choices: list[Value] | None = Field(default=None, min_length=2)
    """In the place of a range."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Parameter:
        ends = (self.low, self.high)
        if (None in ends) is (self.choices is None) or (self.choices and ends != (None, None)):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("log needs low above 0")
        return self

    def ends(self) -> tuple[Value, ...]:
        """The choices, or both ends of the range."""
        return tuple(self.choices) if self.choices else (self.low, self.high)

    def suggested(self, trial: Any, key: str) -> Value:
        """What Optuna's trial draws, numbers to 3 digits, so that params.yaml holds what was trained."""
        if self.choices:
            return trial.suggest_categorical(key, self.choices)  # type: ignore[no-any-return]
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int):
            return int(trial.suggest_int(key, low, high, log=self.log))
        drawn = trial.suggest_float(key, float(low or 0), float(high or 0), log=self.log)
        return float(f"{drawn:.3g}")

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(json.dumps(one) for one in self.choices)
        return f"{self.low:g} to {self.high:g}" + (", log" if self.log else "")


class Space(Section):
    """``search.yaml``."""

    trials: int = Field(default=20, ge=1)
    """In all, those of earlier calls among them."""
    measure: Measure = "log_loss"
    """On the validation rows. The loss tells trials apart that err on the same rows."""
    params: dict[str, Parameter] = Field(min_length=1)
    """By dotted key of params.yaml: of tokenize, pretrain, finetune or model.config."""

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Of the measure."""
        return "minimize" if self.measure == "log_loss" else "maximize"

    @property
    def curve(self) -> str:
        """The column of the curves that an unpromising trial is told by."""
        return "validation_loss" if self.measure == "log_loss" else "validation_accuracy"

    def key(self, commit: str) -> str:
        """Names the study: of a commit and of what is searched, however many trials."""
        facts = {"commit": commit} | self.model_dump(mode="json", exclude={"trials"})
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]

    def suggested(self, trial: Any) -> Values:
        """What a trial is to train with."""
        return {key: parameter.suggested(trial, key) for key, parameter in self.params.items()}


def _between(low: float, high: float, log: bool = False) -> dict[str, Value]:
    return {"low": low, "high": high, "log": log}


LINEAR = {
    f"{CONFIG}.features": {"choices": ["words", "words_and_characters"]},
    f"{CONFIG}.estimator": {"choices": ["logistic_regression", "svm"]},
    f"{CONFIG}.penalty": _between(0.03, 3000.0, log=True),
}
TRAINED = {
    "finetune.learning_rate": _between(2e-5, 1e-3, log=True),
    "finetune.warmup": _between(0.0, 0.3),
    "finetune.batch_size": {"choices": [16, 32]},
}


def load(folder: Path) -> tuple[Space, str]:
    """What to search in the repository at ``folder``, and where it stands. UserError: a key or value does not fit."""
    file, given = folder / FILE, folder / PARAMS
    if file.is_file():
        found, source = params.parse(Space, read_yaml(file), "", FILE), str(FILE)
    else:
        family = params.general(given).model.family
        found = Space.model_validate({"params": LINEAR if family == families.WITHOUT_CHECKPOINT[0] else TRAINED})
        source = f"the defaults, since there is no {FILE}"
    refuse_unfit(found, params.read(given))
    return found, source


def refuse_unfit(space: Space, values: Mapping[str, Any]) -> None:
    """UserError for a key that is not searched, and for an end or a choice that params.yaml would not take."""
    for key, parameter in space.params.items():
        section, _, rest = key.partition(".")
        if not rest or (section not in SECTIONS and not key.startswith(f"{CONFIG}.")):
            raise UserError(f"{FILE}: {key} is not searched; keys are of {', '.join(SECTIONS)} or {CONFIG}")
        for end in parameter.ends():
            _parse(section, laid_over(values, {key: end}))


def _parse(section: str, values: Mapping[str, Any]) -> None:
    if section in SECTIONS:
        params.parse(import_module(f"tasks.{section}").Params, values.get(section) or {}, section, FILE)
        return
    model = params.parse(params.Model, values.get("model") or {}, "model", FILE)
    families.refuse_unknown(model.family, model.config or {})
    families.parse_settings(str(model.family), model.config or {})


def nested(values: Values) -> dict[str, Any]:
    """The dotted keys as params.yaml has them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        here = found
        for name in parents:
            here = here.setdefault(name, {})
        here[last] = value
    return found


def laid_over(values: Mapping[str, Any], changes: Values) -> dict[str, Any]:
    """A copy of params.yaml's values with these in their place."""
    copied: dict[str, Any] = json.loads(json.dumps(values, default=str))
    lay_over(copied, nested(changes))
    return copied


def lines(space: Space) -> Iterator[str]:
    """What is searched, a line for each key."""
    yield from (f"  {key}: {parameter}" for key, parameter in space.params.items())
