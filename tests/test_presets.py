"""Every preset that ships goes through the stages at tiny size: the commands of dvc.yaml, in order, in one process."""

from __future__ import annotations

import importlib
import json
import shlex

import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tasks import params, paths, preset
from tests.test_pipeline import SAMPLE, TOP, edit, few_rows

pytestmark = [pytest.mark.slow]

SHIPPED = sorted((TOP / "presets").glob("*.yaml"))
TINY = {"tokenize__max_length": 32, "finetune__epochs": 1, "finetune__threads": 1, "score__threads": 1}
SMALLER = {"rnn": {"model__config__hidden_size": 8}, "pretrain": {"pretrain__epochs": 1, "pretrain__threads": 1}}
LAST = "evaluate"  # what comes after it reads no more of a preset than it does
FIRST = "tokenize"  # what comes before it no preset of texts changes


def commands():
    """The commands that lead to LAST, in DVC's order."""
    graph = Repo(str(TOP)).index.graph
    stages = {stage.name: stage for stage in graph}
    needed = nx.descendants(graph, stages[LAST]) | {stages[LAST]}
    return [stage.cmd for stage in reversed(list(nx.topological_sort(graph))) if stage in needed]


def run(command, monkeypatch):
    """What the command does, without another interpreter."""
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"]
    monkeypatch.setattr("sys.argv", words[2:])
    module = importlib.import_module(words[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[2]}.__main__")
    module.main()


@pytest.fixture(scope="module")
def repository(tmp_path_factory, tiny_checkpoint):
    """A folder with few mails, in which what leads to the splits has run."""
    folder = tmp_path_factory.mktemp("presets")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        SAMPLE.parent.mkdir(parents=True)
        few_rows(folder)
        (folder / "tiny").symlink_to(tiny_checkpoint)
        for name in (paths.PARAMS, paths.BEHAVIOUR):
            (folder / name).write_text((TOP / name).read_text())
        for command in commands():
            if command.endswith(f".{FIRST}"):
                return folder
            run(command, patch)
    raise AssertionError(f"{FIRST} is not on the way to {LAST}")


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.stem)
def test_a_preset_trains_and_is_judged(repository, shipped, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / paths.PARAMS).write_text((TOP / paths.PARAMS).read_text())
    preset.apply(shipped, repository / paths.PARAMS)
    edit(repository, model__name="tiny", **TINY, **SMALLER.get(shipped.stem, {}))
    every = commands()
    for command in every[next(i for i, command in enumerate(every) if command.endswith(f".{FIRST}")) :]:
        run(command, monkeypatch)
    assert 0 <= json.loads(paths.metrics("evaluate").read_text())["macro_f1"] <= 1
    named = YAML(typ="safe").load(shipped.read_text())
    config = json.loads((paths.CLASSIFIER / "config.json").read_text())
    assert config["model_type"] == (named.get("model", {}).get("family") or "bert")
    assert (json.loads(paths.metrics("pretrain").read_text())["epochs"] > 0) is (shipped.stem == "pretrain")
    window = paths.window("reference")
    assert pq.read_table(window.scored).num_rows == len(np.load(window.embeddings)) > 0
    assert params.general().model.name == "tiny"
