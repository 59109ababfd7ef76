"""What is searched is refused where params.yaml would not take it, before anything is trained."""

from __future__ import annotations

import pytest

from flows.search import space
from flows.search.space import LINEAR, TRAINED, Parameter, Space, laid_over, load, nested, refuse_unfit
from tasks.core import params
from tasks.core.errors import UserError
from tests.support.processes import TOP

RATE = "finetune.learning_rate"
LINEAR_VALUES = {"model": {"family": "linear", "config": None}}


def of(**parameters):
    return Space.model_validate({"params": {key.replace("__", "."): value for key, value in parameters.items()}})


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ({"low": 1}, "give low and high, or choices"),
        ({}, "give low and high, or choices"),
        ({"low": 1, "high": 2, "choices": [1, 2]}, "give low and high, or choices"),
        ({"low": 2, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "log needs low above 0"),
        ({"choices": [1]}, "at least 2"),
        ({"lower": 1, "high": 2}, "unknown key params.finetune.learning_rate.lower"),
    ],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(parameter, why, tmp_path):
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "search.yaml").write_text(f"params: {{{RATE}: {parameter}}}".replace("True", "true"))
    with pytest.raises(UserError, match=why):
        load(tmp_path)


@pytest.mark.parametrize(
    ("key", "parameter", "why"),
    [
        ("split.test", {"low": 0.1, "high": 0.2}, "split.test is not searched"),
        ("finetune", {"choices": [1, 2]}, "finetune is not searched"),
        ("finetune.learning_rat", {"low": 1.0, "high": 2.0}, "unknown key finetune.learning_rat"),
        (RATE, {"low": -1.0, "high": 1.0}, "finetune.learning_rate: Input should be greater than 0, not -1.0"),
        ("finetune.epochs", {"low": 1.5, "high": 3.0}, "finetune.epochs"),
        ("model.config.penalties", {"low": 1.0, "high": 3.0}, "unknown key model.config.penalties"),
    ],
)
def test_an_end_that_params_yaml_would_refuse_is_refused(key, parameter, why):
    with pytest.raises(UserError, match=why):
        refuse_unfit(Space.model_validate({"params": {key: parameter}}), LINEAR_VALUES)


def test_settings_of_a_family_need_one():
    with pytest.raises(UserError, match=r"model\.config is for a family"):
        refuse_unfit(Space.model_validate({"params": LINEAR}), {"model": {"name": "models/base/mine"}})


def test_the_defaults_fit_what_is_shipped():
    found, source = load(TOP)
    assert found.params.keys() == LINEAR.keys() and "there is no search.yaml" in source
    for preset in sorted((TOP / "presets").glob("*.yaml")):
        model = params.read(preset)["model"]
        refuse_unfit(Space.model_validate({"params": LINEAR if model["family"] == "linear" else TRAINED}), {})


class Drawn:
    """In Optuna's place: always the value that it was made with."""

    def __init__(self, value):
        self.value = value

    def suggest_float(self, key, low, high, log):
        return self.value

    def suggest_int(self, key, low, high, log):
        assert isinstance(low, int)
        return self.value


def test_a_number_is_drawn_to_three_digits_and_whole_between_whole_ends():
    assert Parameter(low=1e-5, high=1e-1, log=True).suggested(Drawn(0.00123456), RATE) == 0.00123
    assert Parameter(low=1, high=3000).suggested(Drawn(2999), RATE) == 2999


def test_values_lie_over_params_yaml_also_where_it_has_null():
    values = {"model": {"family": "linear", "config": None}, "finetune": {"epochs": 2}}
    changes = {"model.config.penalty": 3.0, "finetune.warmup": 0.2}
    assert nested(changes) == {"model": {"config": {"penalty": 3.0}}, "finetune": {"warmup": 0.2}}
    assert laid_over(values, changes) == {
        "model": {"family": "linear", "config": {"penalty": 3.0}},
        "finetune": {"epochs": 2, "warmup": 0.2},
    }
    assert values["model"]["config"] is None


def test_a_study_is_of_a_commit_and_of_what_is_searched_however_many_trials():
    one = of(finetune__epochs={"low": 1, "high": 3})
    assert one.key("abc") == one.model_copy(update={"trials": 99}).key("abc")
    assert len({one.key("abc"), one.key("abd"), of(finetune__epochs={"low": 1, "high": 4}).key("abc")}) == 3


def test_lines_say_what_is_searched():
    assert list(
        space.lines(of(finetune__epochs={"low": 1, "high": 3}, finetune__probe={"choices": [True, False]}))
    ) == [
        "  finetune.epochs: 1 to 3",
        "  finetune.probe: true, false",
    ]
