"""The model card: what the hub reads, the figures, nothing that changes, nothing from the data that becomes markup."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.dataset import layout
from tasks.report import Card, Params
from tasks.report.card import model_card, plain
from tasks.report.emissions import emissions
from tasks.report.render import render, render_cost
from tests.support.report_inputs import inputs, laid_out

SECTION = Card(name="Mail: [x]", licence="apache-2.0", language="en", intended_use="To *try*.", data="Public.")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    given = inputs()
    laid_out(given, folder)
    return folder, given


@pytest.fixture
def text(found, monkeypatch):
    monkeypatch.chdir(found[0])
    return model_card(found[1], SECTION)


def test_the_hub_reads_the_header(text, found):
    data = ModelCard(text).data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", "en", "transformers")
    assert data.pipeline_tag == "text-classification" and data.base_model is None
    values = {result.metric_type: result.metric_value for result in data.eval_results}
    assert values["accuracy"] == round(found[1].evaluate["accuracy"], 4) and {"f1", "roc_auc"} < values.keys()


def test_data_and_weights_are_named_by_their_content_and_every_measure_has_its_interval(text, found):
    for name in ("train", "validation", "test"):
        file = found[0] / layout.SPLITS / f"{name}.parquet"
        assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert hashlib.sha256(b"model.safetensors").hexdigest() in text
    low, high = found[1].evaluate["intervals"]["macro_f1"]
    assert f"[{low:.3f}, {high:.3f}]" in text
    assert "To *try*." in text and "set `report.card.limits`" in text
    assert "reports/index.html#origin" in text
    assert model_card(found[1], SECTION) == text


def test_cost_and_clock_stay_out_of_the_card(text):
    assert not re.search(r"20\d\d-\d\d-\d\dT|12\.5", text)


def test_a_hub_checkpoint_is_named_with_its_revision(found, monkeypatch):
    monkeypatch.chdir(found[0])
    general = params.parse(params.General, {"model": {"name": "a/b", "revision": "abc"}}, "", paths.PARAMS)
    text = model_card(replace(found[1], general=general), SECTION)
    assert ModelCard(text).data.base_model == "a/b" and "fine-tuned from a/b at abc" in text


def test_nothing_from_the_data_becomes_markup(found, monkeypatch):
    monkeypatch.chdir(found[0])
    evil = "a|b</td>\n# <script>x</script> [y](z)"
    slices = {"declared": [], "worst": []}
    its = {
        "where": [evil],
        "accuracy": 0.5,
        "interval": [0.4, 0.6],
        "baseline_accuracy": 0.5,
        "rows": 40,
        "worse": True,
    }
    slices["declared"] = slices["worst"] = [its]  # declared, and found again
    text = model_card(replace(found[1], evaluate=found[1].evaluate | {"slices": slices}), SECTION)
    assert "<script" not in text and "\n# <" not in text and "[y](z)" not in text
    assert text.count("Significantly weaker") == 1
    assert plain("*a* `b`\n|") == r"\*a\* \`b\` \|"


def test_without_codecarbon_the_page_says_so(monkeypatch):
    assert emissions({"seconds": {}}, "DEU") == [("energy", "not metered")]
    monkeypatch.setattr("tasks.report.emissions.find_spec", lambda name: None)
    used = {"all": 0.002, "cpu": 0.002, "gpu": 0.0, "memory": 0.0}
    assert emissions({"energy_kwh": used}, "DEU")[-1] == (
        "CO2",
        "needs CodeCarbon: pip install -c requirements.lock -e '.[energy]'",
    )


@pytest.mark.proof
def test_energy_stands_on_the_page_and_its_co2_where_the_country_is_known(found):
    used = {"all": 0.002, "cpu": 0.0015, "gpu": 0.0, "memory": 0.0005}
    cost = {"seconds": {"train": 1.0}, "energy_kwh": used}
    told = dict(emissions(cost, None))
    assert told["energy"] == "2 Wh" and told["CO2"] == "name the country in report.country" and "GPU" not in str(told)
    pytest.importorskip("codecarbon")
    germany, france = (float(dict(emissions(cost, c))[f"CO2, the grid of {c}"].split()[0]) for c in ("DEU", "FRA"))
    assert germany > 2 * france > 0
    assert "CO2, the grid of DEU" in render_cost(cost, Params(country="DEU"))
    assert "models/README.md" in render(found[1], Params())
    with pytest.raises(UserError, match="no electricity of 'XXX'"):
        emissions(cost, "XXX")
