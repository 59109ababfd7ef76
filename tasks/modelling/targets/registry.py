"""Which target belongs to a task. Another task is one more module here, and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.core.task import Task
from tasks.modelling.targets.multi_label import MULTI_LABEL
from tasks.modelling.targets.ordinal import ORDINAL
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Target

TARGETS: Mapping[Task, Target] = {target.task: target for target in (SINGLE_LABEL, MULTI_LABEL, ORDINAL)}


BY_PROBLEM_TYPE: Mapping[str, Target] = {target.problem_type: target for target in (SINGLE_LABEL, MULTI_LABEL)}


def of_config(config: Mapping[str, Any]) -> Target:
    """The target of a trained model, by its config.json; one that names none has one label for each row."""
    return BY_PROBLEM_TYPE.get(str(config.get("problem_type")), SINGLE_LABEL)


def of_model(model: Any) -> Target:
    """The same, by its transformers config."""
    return BY_PROBLEM_TYPE.get(str(model.config.problem_type), SINGLE_LABEL)
