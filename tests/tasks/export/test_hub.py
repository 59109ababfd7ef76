"""The folder for the Hub: a card whose header parses, weights, config and tokenizer, and no link that is dead there."""

from __future__ import annotations

import re
import shutil

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.export.hub import README, hub_folder
from tasks.report import CARD, Card
from tasks.report.card import model_card
from tests.support import tiny_checkpoint
from tests.support.report_inputs import inputs, laid_out

REPOSITORY = "team/mails"
SECTION = Card(name="mails", licence="apache-2.0", language="en", intended_use="To sort mail.")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run with a classifier that loads, and its card."""
    folder = tmp_path_factory.mktemp("run")
    given = inputs()
    laid_out(given, folder)
    base = tiny_checkpoint.make(folder / "base")
    labels = {"num_labels": 2, "id2label": {0: "ham", 1: "spam"}, "label2id": {"ham": 0, "spam": 1}}
    AutoModelForSequenceClassification.from_pretrained(base, **labels).save_pretrained(folder / paths.CLASSIFIER)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder / paths.CLASSIFIER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / CARD).write_text(model_card(given, SECTION), encoding="utf-8")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_hub_finds_card_weights_config_and_tokenizer(here):
    files = hub_folder(REPOSITORY, here / "hub")
    assert files == [README, "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(file.name for file in (here / "hub").iterdir()) == files
    card = ModelCard.load(here / "hub" / README)
    data = card.data.to_dict()
    assert data["license"] == "apache-2.0" and data["library_name"] == "transformers"
    assert data["pipeline_tag"] == "text-classification"
    results = data["model-index"][0]["results"][0]
    assert results["task"]["type"] == "text-classification"
    assert {"accuracy", "f1"} <= {one["type"] for one in results["metrics"]}


def test_the_card_says_how_it_is_loaded_from_there_and_links_to_nothing_that_is_not_there(here):
    hub_folder(REPOSITORY, here / "hub")
    text = (here / "hub" / README).read_text(encoding="utf-8")
    assert f'pipeline("text-classification", "{REPOSITORY}", truncation=True)' in text
    assert not re.search(r"\]\((?!https:)", text) and str(paths.CLASSIFIER) not in text
    assert "on the drift page" in text


def test_the_folder_loads_as_the_classifier_does(here):
    hub_folder(REPOSITORY, here / "hub")
    texts = ["win a prize", "see you monday"]
    first, second = (pipeline("text-classification", str(each)) for each in (here / "hub", here / paths.CLASSIFIER))
    assert first(texts) == second(texts)


@pytest.mark.parametrize("name", ["mails", "a/b/c", "../x", "team/ma ils", ""])
def test_what_is_no_repository_of_the_hub_is_refused(here, name):
    with pytest.raises(UserError, match="write TEAM/NAME"):
        hub_folder(name, here / "hub")
    assert not (here / "hub").exists()


def test_a_card_of_another_model_and_none_are_refused_with_the_command(here):
    card = CARD.read_text(encoding="utf-8")
    CARD.write_text(re.sub(r"`[0-9a-f]{64}`", "`0`", card), encoding="utf-8")
    with pytest.raises(UserError, match=r"is of another model than model\.safetensors: `driftline run`"):
        hub_folder(REPOSITORY, here / "hub")
    CARD.unlink()
    with pytest.raises(UserError, match=r"README\.md does not exist"):
        hub_folder(REPOSITORY, here / "hub")
    shutil.rmtree(paths.CLASSIFIER)
    with pytest.raises(UserError, match=r"no trained classifier: `driftline run`"):
        hub_folder(REPOSITORY, here / "hub")
