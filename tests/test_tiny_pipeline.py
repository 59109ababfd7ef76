"""What the flows are tested with is shaped like the pipeline they run: the same stages, in the same order."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
from dvc.repo import Repo

from tests.support import tiny_pipeline
from tests.support.processes import IDENTITY, TOP

LEFT_OUT = {"baseline", "tokenize", "pretrain", "explain", "report"}  # a real model's, and what only a person reads


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny repository, not run."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_pipeline.environment(IDENTITY).items():
            patch.setenv(name, value)
        tiny_pipeline.make_weeks(folder, Path("nowhere"))
    return folder


def graph(folder):
    """Which stage needs which, directly or not, and the stages by name."""
    found = Repo(str(folder)).index.graph
    names = {stage: stage.addressing.rpartition(":")[2] for stage in found}
    needs = nx.transitive_closure_dag(nx.relabel_nodes(found, names))
    return needs, {name: stage for stage, name in names.items()}


@pytest.mark.proof
def test_the_stages_are_the_real_ones_and_need_each_other_as_they_do(tiny):
    (needs, stages), (real_needs, real_stages) = graph(tiny), graph(TOP)
    assert set(stages) == {name for name in real_stages if name.partition("@")[0] not in LEFT_OUT}
    pairs = {(one, other) for one, other in real_needs.edges if {one, other} <= set(stages)}
    assert set(needs.edges) == pairs


@pytest.mark.proof
def test_a_stage_makes_no_path_that_the_real_one_does_not_make(tiny):
    stages, real = graph(tiny)[1], graph(TOP)[1]
    for name, stage in stages.items():
        made, real_made = (
            {str(Path(out.fs_path).relative_to(top)) for out in its.outs}
            for its, top in ((stage, tiny), (real[name], TOP))
        )
        assert made <= real_made


def test_its_artifact_and_windows_are_named_like_the_real_ones(tiny):
    def named(folder, file, *keys):
        from ruamel.yaml import YAML

        found = YAML(typ="safe").load((folder / file).read_text())
        for key in keys:
            found = found[key]
        return found

    assert named(tiny, "dvc.yaml", "artifacts") == named(TOP, "dvc.yaml", "artifacts")
    assert set(named(tiny, "params.yaml", "windows")) == set(named(TOP, "params.yaml", "windows"))
    assert set(named(tiny, "params.yaml")) - {"gate"} <= set(named(TOP, "params.yaml"))
