"""Every preset that ships goes through the stages at tiny size: the commands of dvc.yaml, in order, in one process."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tasks import preset
from tasks.behaviour import BEHAVIOUR
from tasks.core import params, paths
from tasks.dataset import layout
from tasks.explain import EXPLAINED
from tasks.report import CARD, INDEX
from tests.support.processes import TOP
from tests.support.real_pipeline import SAMPLE, edit, few_rows
from tests.support.stages import commands, run

pytestmark = [pytest.mark.long]

SHIPPED = sorted((TOP / "presets").glob("*.yaml"))
NAMED = {path: YAML(typ="safe").load(path.read_text()) for path in SHIPPED}
OF_TEXTS = [path for path, named in NAMED.items() if "ingest" not in named]
TINY = {"tokenize__max_length": 32, "finetune__epochs": 1, "finetune__threads": 1, "score__threads": 1}
SMALLER = {"rnn": {"model__config__hidden_size": 8}, "pretrain": {"pretrain__epochs": 1, "pretrain__threads": 1}}
LAST = "evaluate"  # what comes after it reads no more of a preset than it does
FIRST = "tokenize"  # what comes before it no preset of texts changes


@pytest.fixture(scope="module")
def repository(tmp_path_factory, tiny_checkpoint):
    """A folder with few mails, in which what leads to the splits has run."""
    folder = tmp_path_factory.mktemp("presets")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        SAMPLE.parent.mkdir(parents=True)
        few_rows(folder)
        (folder / "tiny").symlink_to(tiny_checkpoint)
        for name in (paths.PARAMS, BEHAVIOUR):
            (folder / name).write_text((TOP / name).read_text())
        for command in commands(LAST):
            if command.endswith(f".{FIRST}"):
                return folder
            run(command)
    raise AssertionError(f"{FIRST} is not on the way to {LAST}")


@pytest.mark.parametrize("shipped", OF_TEXTS, ids=lambda path: path.stem)
def test_a_preset_trains_and_is_judged(repository, shipped, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / paths.PARAMS).write_text((TOP / paths.PARAMS).read_text())
    preset.apply(shipped, repository / paths.PARAMS)
    edit(repository, model__name="tiny", **TINY, **SMALLER.get(shipped.stem, {}))
    every = commands(LAST)
    for command in every[next(i for i, command in enumerate(every) if command.endswith(f".{FIRST}")) :]:
        run(command)
    assert 0 <= json.loads(paths.metrics("evaluate").read_text())["macro_f1"] <= 1
    named = NAMED[shipped]
    config = json.loads((paths.CLASSIFIER / "config.json").read_text())
    assert config["model_type"] == (named.get("model", {}).get("family") or "bert")
    assert (json.loads(paths.metrics("pretrain").read_text())["epochs"] > 0) is (shipped.stem == "pretrain")
    window = layout.window("reference")
    assert pq.read_table(window.scored).num_rows == len(np.load(window.embeddings)) > 0
    assert params.general().model.name == "tiny"


def test_the_images_of_vit_are_trained_on_and_judged_to_the_last_page(tmp_path, monkeypatch):
    """It brings its own data, so all stages run; among its digits are some that are no images, or no longer."""
    monkeypatch.chdir(tmp_path)
    (shipped,) = [path for path in SHIPPED if path not in OF_TEXTS]
    source = tmp_path / NAMED[shipped]["ingest"]["source"]
    source.parent.mkdir(parents=True)
    digits = pq.read_table(TOP / NAMED[shipped]["ingest"]["source"])
    few = digits.take(list(range(0, len(digits), 8))).to_pylist()
    for row in few[:3]:
        row["image"]["bytes"] = row["image"]["bytes"][:100]
    few[3]["image"]["bytes"] = few[4]["image"]["bytes"]
    few[3]["label"] = few[4]["label"]
    pq.write_table(pa.Table.from_pylist(few, digits.schema), source)
    for name in (paths.PARAMS, BEHAVIOUR):
        (tmp_path / name).write_text((TOP / name).read_text())
    preset.apply(shipped, tmp_path / paths.PARAMS)
    tiny = {"model__config__hidden_size": 16, "model__config__layers": 2, "model__config__heads": 2}
    edit(tmp_path, **tiny, finetune__epochs=2, finetune__threads=1, score__threads=1, drift__permutations=99)
    for command in (*commands("report"), "python -m tasks.explain"):
        run(command)

    found = {name: json.loads(paths.metrics(name).read_text()) for name in ("evaluate", "drift", "split", "explain")}
    held = json.loads(paths.metrics("validate", "reference").read_text())["reasons"]
    assert held == {"duplicate_image": 1, "image_broken": 3}
    assert (
        sum(found["split"]["rows"].values()) == len(few) - 4 - pq.read_metadata(layout.window("current").raw).num_rows
    )
    assert 0 <= found["evaluate"]["macro_f1"] <= 1
    assert found["evaluate"]["baseline"]["macro_f1"] > 0.5
    assert found["evaluate"]["behaviour"] == []
    assert {"image: brightness", "embeddings: axes", "predictions"} <= found["drift"]["signals"].keys()
    assert found["explain"]["mistakes"] == 8 and found["explain"]["labelled_rows"] == 0
    assert EXPLAINED.read_text().count("data:image/png;base64,") == 2 * 8, "each mistake, and where it was found"
    page, card = INDEX.read_text(), CARD.read_text()
    (held_back,) = re.findall('<section id="quarantine".*?</section>', page, re.S)
    assert held_back.count("data:image/png;base64,") == 1, "of the copy; what is broken cannot be drawn"
    assert page.count("data:image/png;base64,") > 1, "those that are taken for another"
    assert "logistic regression on the grey levels" in page
    assert 'pipeline("image-classification", "models/classifier")' in card
    assert sorted(file.name for file in paths.CLASSIFIER.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
