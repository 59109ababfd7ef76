"""Every preset that ships is valid, and laying it over params.yaml changes what it names and nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks import preset
from tasks.core import params
from tasks.core.errors import UserError

TOP = Path(__file__).parent.parent.parent
SHIPPED = sorted((TOP / "presets").glob("*.yaml"))


@pytest.fixture
def file(tmp_path):
    copy = tmp_path / "params.yaml"
    copy.write_text((TOP / "params.yaml").read_text())
    return copy


def lines(path):
    return path.read_text().splitlines()


@pytest.mark.proof
@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.stem)
def test_every_stage_still_reads_its_section(shipped, file):
    before = params.read(file)
    changes = preset.apply(shipped, file)
    assert changes
    for stage in YAML(typ="safe").load((TOP / "dvc.yaml").read_text())["stages"]:
        params.load(importlib.import_module(f"tasks.{stage}").Params, stage, file)
    named = YAML(typ="safe").load(shipped.read_text())
    after = params.read(file)
    for section, values in after.items():
        laid = named.get(section, {})
        assert values == ({**before[section], **laid} if isinstance(values, dict) else values), section
    assert preset.apply(shipped, file) == [], "a second time changes nothing"


def test_comments_and_other_lines_stay(file):
    before = lines(TOP / "params.yaml")
    preset.apply(TOP / "presets/gpu.yaml", file)
    laid_over = YAML(typ="safe").load(TOP / "presets/gpu.yaml")
    keys = {*laid_over, *(key for section in laid_over.values() for key in section)}
    changed = [line for line in [*lines(file), *before] if (line in before) != (line in lines(file))]
    assert {line.partition(":")[0].strip() for line in changed} <= keys
    assert [line for line in lines(file) if "#" in line] == [line for line in before if "#" in line]


def test_a_checkpoint_that_is_named_already_stays(file):
    preset.change(file, {"model": {"name": "models/base/own", "revision": None, "family": "linear"}})
    preset.apply(TOP / "presets/transformer.yaml", file)
    model = params.general(file).model
    assert (model.name, model.family) == ("models/base/own", None)
    preset.apply(TOP / "presets/vit.yaml", file)
    assert params.general(file).model.name is None, "one that is drawn at random needs none"


def test_a_preset_that_is_not_there_is_named_beside_those_that_are(file):
    with pytest.raises(UserError, match=r"the presets are: .*gpu"):
        preset.apply(TOP / "presets/tpu.yaml", file)
