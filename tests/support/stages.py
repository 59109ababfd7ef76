"""The commands of dvc.yaml, in order, in this process and on the working directory."""

from __future__ import annotations

import importlib
import shlex

import networkx as nx
from dvc.repo import Repo

from tasks.core.cli import application, exit_code
from tests.support.processes import TOP


def commands(last):
    """The commands that lead to one stage, in DVC's order."""
    graph = Repo(str(TOP)).index.graph
    stages = {stage.name: stage for stage in graph}
    needed = nx.descendants(graph, stages[last]) | {stages[last]}
    return [stage.cmd for stage in reversed(list(nx.topological_sort(graph))) if stage in needed]


def run(command):
    """What the command does, without another interpreter."""
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"]
    module = importlib.import_module(words[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[2]}.__main__")
    assert exit_code(application(module.main), words[3:]) == 0, command
