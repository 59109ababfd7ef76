"""Every command in the pages exists, with its options; every block of Python and YAML can be parsed; some are run.

A block below ``<!-- run: NAME -->`` is run here by the function of that name. All others are only parsed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import typer
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

from flows.cli import app
from tasks.core.errors import UserError
from tests.docsite.blocks import GENERATED, PAGES, TOP, Block, blocks, commands

BLOCKS = list(blocks())
SHELL = [block for block in BLOCKS if block.language == "sh"]
TARGETS = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), re.M))
PLACEHOLDER = re.compile(r"<[\w ]+>")  # `<commit>` stands for one


@pytest.fixture(scope="module")
def driftline():
    return typer.main.get_command(app.application())


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_commands_exist(block, driftline):
    for words in commands(block.text):
        if words[0].rpartition("/")[2] == "driftline":
            require(driftline, words[1:])
        elif words[0] == "make":
            targets = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            assert targets <= TARGETS
        elif words[0].rpartition("/")[2] == "python" and words[1:2] == ["-m"]:
            assert words[2] == "pip" or importlib.util.find_spec(words[2]), words
        elif words[0] == "dvc":
            get_main_parser().parse_args(words[1:])


def require(command, words):
    """Refuse an unknown command, an unknown option, an option without its value and an argument too many."""
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    places = [one for one in command.params if one.param_type_name == "argument"]
    free, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            free.append(word)
            continue
        name, _, value = word.partition("=")
        assert name in {*known, "--help", "--install-completion"}, f"{command.name} has no option {name}"
        if name in known and not (known[name].is_flag or value):
            assert rest, f"{name} takes a value"
            rest.pop(0)
    assert len(free) <= len(places) or any(one.nargs == -1 for one in places), f"{command.name} takes no {free[-1]}"
    assert not any(one.required for one in places[len(free) :]), f"{command.name} needs an argument"


@pytest.mark.parametrize("page", [page for page in PAGES if GENERATED not in page.parents], ids=lambda page: page.name)
def test_commands_within_the_text_exist(page, driftline):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for name in re.findall(r"`driftline ([a-z][a-z-]+)", text):
        assert name in driftline.commands
    for name in re.findall(r"`make ([a-z-]+)`", text):
        assert name in TARGETS
    for name in re.findall(r"`python -m ((?:tasks|flows|tests|bench|docsite)(?:\.[a-z_]+)*)", text):
        assert importlib.util.find_spec(name)


@pytest.mark.parametrize("words", [["promot"], ["label"], ["monitor", "--polcy", "alarm"], ["champion", "v1"]])
def test_what_does_not_exist_is_found(words, driftline):
    with pytest.raises(AssertionError):
        require(driftline, words)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_can_be_parsed(block):
    try:
        ast.parse(block.text)
    except SyntaxError:
        ast.parse(f"{{{block.text}}}")  # lines of a mapping


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=str)
def test_yaml_can_be_parsed(block):
    assert YAML(typ="safe").load(PLACEHOLDER.sub("x", block.text)) is not None


def test_each_marked_block_is_run_by_name():
    marked = [block.mark for block in BLOCKS if block.mark]
    assert sorted(marked) == sorted(RUN)


@pytest.mark.proof
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark], ids=lambda block: block.mark)
def test_marked_blocks_run(block: Block, tmp_path):
    RUN[block.mark](block.text, tmp_path)


def module(text, folder, name):
    """The text as a module of that name."""
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    found = importlib.util.spec_from_file_location(name, file)
    sys.modules[name] = made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


def a_stage(text, folder):
    count = module(text, folder, "a_stage_of_the_docs")
    assert count.count(["ham", "spam", "ham"], count.Params()) == {"ham": 2, "spam": 1}
    with pytest.raises(UserError, match=r"spam has 1 training rows; count\.min_rows is 2"):
        count.count(["ham", "spam", "ham"], count.Params(min_rows=2))


def a_measure(text, folder):
    cost = module(text, folder, "a_measure_of_the_docs").mean_cost
    truth, predicted = np.array(["ham", "spam", "ham"]), np.array(["spam", "ham", "ham"])
    assert cost(truth, predicted, None, ["ham", "spam"]) == pytest.approx(11 / 3)


def a_signal(text, folder):
    found = eval(f"{{{text}}}", {"pc": pc, "np": np, "text": pa.array(["why? who?", "so"])})
    assert {name: list(values) for name, values in found.items()} == {"question marks": [2, 0]}


def a_channel(text, folder):
    """Without a server; tests/flows/notify/test_own_block.py sends through one."""
    told = folder / "told.txt"
    module(text, folder, "a_channel_of_the_docs").ToFile(path=str(told)).notify("look at it", "drift")
    assert told.read_text(encoding="utf-8") == "drift\nlook at it\n"


def a_run(text, folder):
    """On the figures of this repository, of which git holds metrics/."""
    names = {}
    exec(text, names)
    assert names["run"].verdict and names["run"].summary["macro_f1"] > 0.9


RUN = {
    "a stage": a_stage,
    "a measure": a_measure,
    "a signal": a_signal,
    "a notification channel": a_channel,
    "a run": a_run,
}
