"""What the model must do whatever its accuracy: the tests in ``behaviour.yaml``, for whoever knows the texts to write.

After Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList": minimum functionality
(``expect: {label: spam}``), invariance (``expect: same`` under a change) and direction (``expect: {not_lower: spam}``
under a change). ``score`` runs the model on the texts, ``evaluate`` says what passed. A test that names a label the
model does not know is not tried, and the report says so.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.params import Section

BEHAVIOUR = Path("behaviour.yaml")

BEFORE, AFTER = "before", "after"
Noise = Literal["typos", "upper_case", "lower_case", "spacing"]


class Words(Section):
    """A change that is written out."""

    prepend: str = ""
    append: str = ""
    replace: dict[str, str] = Field(default_factory=dict)
    """Whole words and what takes their place, whatever their case."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not (self.prepend or self.append or self.replace):
            raise ValueError("give at least one of prepend, append and replace")
        return self


class Expectation(Section):
    """What must come out; exactly one of these."""

    label: str | None = None
    """This label is said."""
    not_lower: str | None = None
    """The change makes this label no less likely."""
    not_higher: str | None = None
    """The change makes this label no likelier."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.label, self.not_lower, self.not_higher)) != 1:
            raise ValueError("give exactly one of label, not_lower and not_higher")
        return self

    @property
    def about(self) -> str:
        """The label it names."""
        return self.label or self.not_lower or self.not_higher or ""


class Trial(Section):
    """One test."""

    name: str = Field(min_length=1)
    change: Noise | Words | None = None
    expect: Literal["same"] | Expectation
    texts: tuple[str, ...] | None = Field(default=None, strict=False, min_length=1)
    """What it is tried on; without it, rows of the test split."""
    rows: int = Field(default=100, ge=1)
    """How many of them, spread evenly over those that the change alters."""
    tolerance: float = Field(default=0.05, ge=0, lt=1)
    """Probability that *not_lower* and *not_higher* let go."""
    at_least: float | None = Field(default=None, ge=0, le=1)
    """Share that has to pass; null: it is only reported."""

    def known_to(self, labels: Collection[str]) -> bool:
        """Whether a model with these labels can be tested: false where the test names another."""
        return isinstance(self.expect, str) or self.expect.about in labels

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if isinstance(self.expect, Expectation) and self.expect.label is not None:
            if self.texts is None:
                raise ValueError("expect: {label: ...} needs texts of which you know the label")
        elif self.change is None:
            raise ValueError("name a change: typos, upper_case, lower_case, spacing, or {prepend: ...} and the like")
        return self


class Trials(Section):
    """The whole file."""

    tests: tuple[Trial, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [test.name for test in self.tests]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tests are called {min(twice)!r}")
        return self


def read(file: Path) -> tuple[Trial, ...]:
    """The tests in a file. UserError where one is not as above."""
    try:
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} does not exist; for no tests, let it hold the line `tests: []`") from None
    except YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {error}") from None
    return params.parse(Trials, values if isinstance(values, dict) else {}, "", file).tests
