"""The pages of reference are as the code has them, and say something of every key."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module

import pytest

from docsite import commands, messages, metrics, models, prefect_yaml
from docsite.__main__ import FOLDER
from docsite.descriptions import MISSING
from tests.docsite.blocks import TOP

AGAIN = "write it anew: python -m docsite"


@pytest.mark.proof
@pytest.mark.parametrize("page", [commands, prefect_yaml, metrics], ids=lambda page: page.__name__)
def test_the_page_is_as_the_code_has_it(page):
    name = page.__name__.rpartition(".")[2].replace("_", "-")
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == page.page(), AGAIN


@pytest.mark.proof
def test_the_page_of_params_is_as_the_models_have_it():
    from docsite import params  # with the families, which import torch

    assert (FOLDER / "params.md").read_text(encoding="utf-8") == params.page(), AGAIN


@pytest.mark.parametrize("name", ["params.md", "prefect-yaml.md"])
def test_every_key_is_described(name):
    rows = [line for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert not [row for row in rows if re.search(r"\|\s*\|$", row)], "say it under the field, or in descriptions.py"


@pytest.mark.proof
@pytest.mark.parametrize("key", MISSING, ids=".".join)
def test_a_description_stands_in_for_one_that_is_not_there(key):
    module, cls, name = key
    found = getattr(import_module(module), cls)
    assert name in found.model_fields and name not in models.docstrings(found), "the class says it: take it out"


@pytest.mark.parametrize("file", sorted((TOP / "metrics").glob("*.json")), ids=lambda file: file.name)
def test_every_figure_of_the_shipped_run_is_described(file):
    name = re.sub("_(reference|current)$", "_<window>", file.stem)
    _, patterns = metrics.FIGURES[f"{name}.json"]
    found = set(metrics.keys(json.loads(file.read_text(encoding="utf-8"))))
    unsaid = [key for key in found if not (any(metrics.describes(pattern, key) for pattern in patterns) or empty(key))]
    assert not unsaid


def empty(key):
    """A mapping or list without an entry gives its own name."""
    return key in {("labels_not_in_train",), ("segments", "[]", "words")}


@cache
def written():
    return "\n".join(file.read_text(encoding="utf-8") for file in (TOP / "tasks").glob("**/*.py"))


@pytest.mark.parametrize("file", metrics.FIGURES)
def test_no_figure_is_described_that_nothing_writes(file):
    names = {name for pattern in metrics.FIGURES[file][1] for name in pattern.split(".")}
    plain = {name for name in names if re.fullmatch("[a-z_0-9]+", name)}
    assert not [name for name in plain if f'"{name}"' not in written() and f"{name}:" not in written()]


@pytest.mark.proof
def test_the_messages_of_troubleshooting_are_the_codes():
    """Each part between the signs for names and figures stands in a message of the code."""
    text = (TOP / "docs/troubleshooting.md").read_text(encoding="utf-8")
    shown = [one or two for one, two in re.findall(r"^\*\*(?:`` (.+?) ``|`([^`]+)`)\*\*", text, re.M)]
    code = [" ".join("".join(messages.messages(file)).split()) for file in sources()]
    plain = "\n".join([*code, *(source.read_text(encoding="utf-8") for source in [*sources(), TOP / "Makefile"])])
    assert len(shown) >= 25
    parts = [part.strip(" .:;") for one in shown for part in one.split("…")]
    assert not [part for part in parts if len(part) > 8 and part.removeprefix("params.yaml: ") not in plain]


def sources():
    return [TOP / "driftline.py", *(TOP / "tasks").glob("**/*.py"), *(TOP / "flows").glob("**/*.py")]
