"""Behavioural tests of the model: ``behaviour.yaml``, written by whoever knows the texts; no programming needed.

After Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList": minimum functionality
(``expect: {label: spam}``), invariance (``expect: same`` under a change) and direction (``expect: {not_lower: spam}``
under a change). ``score`` runs the model on the texts, ``evaluate`` counts what passed. A test that names a label the
model does not have is skipped, and the report says so.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.params import Section
from tasks.core.yaml_files import read_yaml

BEHAVIOUR = Path("behaviour.yaml")

BEFORE, AFTER = "before", "after"
Pair = Annotated[tuple[str, str], Strict(False)]
Noise = Literal["typos", "upper_case", "lower_case", "spacing"]


class Rewrite(Section):
    """An edit of the text."""

    prepend: str = ""
    append: str = ""
    replace: dict[str, str] = Field(default_factory=dict)
    """Whole words and their replacements, whatever their case."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not (self.prepend or self.append or self.replace):
            raise ValueError("give at least one of prepend, append and replace")
        return self


class Expectation(Section):
    """The expected prediction; exactly one of these."""

    label: str | None = None
    """This label is predicted."""
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
    def label_named(self) -> str:
        """The label it names."""
        return self.label or self.not_lower or self.not_higher or ""


class BehaviourTest(Section):
    """One test."""

    name: str = Field(min_length=1)
    change: Noise | Rewrite | None = None
    expect: Literal["same"] | Expectation
    texts: tuple[str | Pair, ...] | None = Field(default=None, strict=False, min_length=1)
    """The texts it runs on, of a model of pairs each as [text, text_pair]; without them, rows of the test split."""
    rows: int = Field(default=100, ge=1)
    """How many of them, spread evenly over those that the change alters."""
    tolerance: float = Field(default=0.05, ge=0, lt=1)
    """Change of probability that *not_lower* and *not_higher* tolerate."""
    at_least: float | None = Field(default=None, ge=0, le=1)
    """Target: the share that has to pass; null: it is only reported."""

    def applies_to(self, labels: Collection[str]) -> bool:
        """Whether a model with these labels can be tested: false where the test names another label."""
        return isinstance(self.expect, str) or self.expect.label_named in labels

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if isinstance(self.expect, Expectation) and self.expect.label is not None:
            if self.texts is None:
                raise ValueError("expect: {label: ...} needs texts of which you know the label")
        elif self.change is None:
            raise ValueError("name a change: typos, upper_case, lower_case, spacing, or {prepend: ...} and the like")
        return self


class BehaviourTests(Section):
    """The whole file."""

    tests: tuple[BehaviourTest, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [test.name for test in self.tests]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tests are called {min(twice)!r}")
        return self


def read_behaviour_tests(file: Path) -> tuple[BehaviourTest, ...]:
    """The tests in a file. UserError where one is not as above."""
    try:
        values = read_yaml(file)
    except FileNotFoundError:
        raise UserError(f"{file} does not exist: write the line `tests: []` into it for no tests") from None
    return params.parse(BehaviourTests, values if isinstance(values, dict) else {}, "", file).tests
