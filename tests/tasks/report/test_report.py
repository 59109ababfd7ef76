"""The page: what it says, that it stands alone, and that nothing from the data can run or be read in the clear."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core import params, paths
from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.dataset import layout, windows
from tasks.drift import Params as DriftParams
from tasks.drift.rows import rows_from_table
from tasks.drift.verdict import drift_verdict
from tasks.report import CARD, COST, INDEX, Params, charts, phrases, tables, verdict
from tasks.report.__main__ import main
from tasks.report.inputs import read_curves
from tasks.report.render import render, render_cost
from tests.support.report_inputs import evaluated, general, inputs, judged, laid_out, quarantined, window, windows_of

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}`x`"
VOID = {"meta", "link", "img", "br", "input", "hr", "polyline"}
MINUS = phrases.MINUS


@pytest.fixture(scope="module")
def ordinary():
    return inputs()


class Parsed(HTMLParser):
    """What a browser would make of a page: tags with their attributes, and the words."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.mark.proof
def test_the_page_says_how_good_the_model_is_whether_there_is_drift_and_what_to_do(ordinary):
    said = Parsed(render(ordinary, Params())).text
    figures = ordinary.evaluate
    assert f"Macro-F1 is {figures['macro_f1']:.3f} on 60 test rows" in said
    assert f"{figures['baseline']['macro_f1']:.3f}" in said
    assert "Changed" in said and "predictions" in said
    assert "13 rows quarantined" in said and "mails.csv, row 0" in said
    assert "from 2026-01-01, before 2026-02-01" in said
    assert "What to do next" in said and "refit" in said


@pytest.mark.proof
def test_the_page_stands_alone_and_is_well_formed(ordinary):
    page = render(ordinary, Params())
    parsed = Parsed(page)
    assert parsed.open == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in parsed.tags}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on") or name == "src"]
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in parsed.tags:
        if tag == "a":
            target = attributes["href"]
            assert (
                target[1:] in ids
                if target[0] == "#"
                else re.fullmatch(r"(\.\./)?[a-zA-Z_]+(/[a-z]+)*/?[a-zA-Z_]*\.(html|csv|md)", target)
            )
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    assert [tag for tag, _ in parsed.tags].count("h1") == 1
    assert "url(" not in page and "@import" not in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.proof
def test_nothing_from_the_data_becomes_part_of_the_page():
    labels = [HOSTILE, "spam"]
    row = {"text": HOSTILE, "label": HOSTILE, "reasons": [HOSTILE], "source_file": HOSTILE}
    moved = judged(0.4)
    moved["reason"] = HOSTILE
    moved["signals"] = {f"{i}{HOSTILE}": its | {"where": HOSTILE} for i, its in enumerate(moved["signals"].values())}
    dirty = inputs(
        evaluate=evaluated(labels),
        drift=moved,
        finetune={"temperature": 1.0, HOSTILE: HOSTILE},
        quarantine={"reference": quarantined(row), "current": quarantined(row)},
        validate=dict.fromkeys(paths.WINDOWS, window(10, {HOSTILE: 1}, {HOSTILE: 5, "spam": 4})),
    )
    parsed = Parsed(render(dirty, Params()))
    beside = Parsed(render_cost({HOSTILE: {"device": HOSTILE}}, Params()))
    for one, times in ((parsed, 8), (beside, 1)):
        assert one.open == []
        assert not {"script", "img"} & {tag for tag, _ in one.tags}
        assert one.text.count("<script>alert") > times, "it is shown as what it is"
    assert " 49" not in parsed.text.replace("{{", "")


@pytest.mark.proof
def test_examples_are_masked_and_cut():
    long = (
        "Call +49 170 5551234 or write to jane.doe@example.org, see https://example.org/private?x=1 "
        + "on and on " * 40
    )
    row = {"text": long, "reasons": ["text_too_long"]}
    dirty = inputs(
        validate=dict.fromkeys(paths.WINDOWS, window(10, {"text_too_long": 1}, {})),
        quarantine={"reference": quarantined(row), "current": quarantined()},
    )
    page = render(dirty, Params())
    for secret in ("5551234", "jane", "example.org", "private"):
        assert secret not in page
    (example,) = tables.reasons(dirty, 3)[0].examples
    assert example.text.startswith("Call +## ### ####### or write to [mail], see [link] on")
    assert len(example.text) == tables.EXAMPLE + 1


@pytest.mark.proof
def test_rows_let_out_and_personal_data_are_told(ordinary):
    told = {**ordinary.validate["current"], "released": 2, "personal_data": {"mail": 7, "phone": 1}}
    said = Parsed(render(inputs(validate={**ordinary.validate, "current": told}), Params())).text
    assert "2 current rows pass that were let out after review" in said
    assert "Personal data was found in current rows: mail in 7, phone in 1." in said
    plain = Parsed(render(ordinary, Params())).text
    assert "let out after review" not in plain and "Personal data was found" not in plain


def test_a_row_that_could_not_be_decoded_is_shown_as_far_as_it_can_be(ordinary):
    shown = {reason.code: reason for reason in tables.reasons(ordinary, 2)}
    assert [example.text for example in shown["text_missing"].examples] == ["a\ufffd b"] * 2
    assert shown["bridges_splits"].rows == {"reference": 0, "current": 0, "split": 1}


@pytest.mark.parametrize(
    ("interval", "tone", "sign"),
    [
        ((0.01, 0.03), "good", "+0.010 to +0.030"),
        ((-0.03, -0.01), "bad", f"{MINUS}0.030"),
        ((-0.01, 0.02), "notice", ""),
    ],
)
def test_the_interval_of_the_difference_decides_what_is_said_of_the_model(ordinary, interval, tone, sign):
    figures = ordinary.evaluate | {"intervals": ordinary.evaluate["intervals"] | {"difference": list(interval)}}
    found = verdict.on_model(figures)
    assert found.tone == tone
    assert sign in found.text
    said = [step.text for step in verdict.steps(replace(ordinary, evaluate=figures), *three(ordinary, figures))]
    assert any("Do not use this model" in text for text in said) == (tone == "bad")


@pytest.mark.parametrize("ends", [(0, 0), (-0.03, -0.01), (-0.01, 0.02)])
def test_no_advice_for_a_linear_model_names_what_it_does_not_read(ordinary, ends):
    alike = {"intervals": ordinary.evaluate["intervals"] | {"difference": list(ends)}}
    linear = ordinary.general.model_copy(
        update={"model": ordinary.general.model.model_copy(update={"family": "linear"})}
    )
    for reads in ("finetune.", "tokenize.", "checkpoint"):
        its = replace(ordinary, evaluate=ordinary.evaluate | alike, general=linear, curves=[])
        assert not [step.text for step in verdict.steps(its, *verdict.findings(its)) if reads in step.text]


def three(ordinary, figures):
    return verdict.findings(replace(ordinary, evaluate=figures))


@pytest.mark.parametrize(
    ("drifted", "significant", "words_"),
    [
        (True, True, "but the data have changed"),
        (False, True, "but the data have changed a little"),
        (False, False, "and the data are as before"),
        (None, None, "but whether the data have changed cannot be told"),
    ],
)
def test_the_headline_holds_both_verdicts(ordinary, drifted, significant, words_):
    figures = ordinary.evaluate | {"intervals": ordinary.evaluate["intervals"] | {"difference": [0.01, 0.02]}}
    drift = ordinary.drift | {"drifted": drifted, "significant": significant}
    page = Parsed(render(replace(ordinary, evaluate=figures, drift=drift), Params()))
    assert f"The model is better than the baseline, {words_}." in page.text


@pytest.mark.parametrize(
    ("ends", "words_"), [((-0.02, -0.01), "The baseline is better"), ((-0.01, 0.01), "not significantly")]
)
def test_a_model_that_does_not_win_is_told_in_the_first_sentence_with_the_way_to_ship_the_baseline(
    ordinary, ends, words_
):
    alike = {key: [-0.1, 0.1] for key in ordinary.evaluate["differences"]}
    of = ordinary.evaluate["intervals"] | {"difference": list(ends), "differences": alike}
    figures = ordinary.evaluate | {"intervals": of}
    said = Parsed(render(replace(ordinary, evaluate=figures), Params())).text
    first = said[said.index("The baseline is better" if ends[1] < 0 else "The model is not") :]
    assert (
        words_ in first[:80]
        and "to ship the baseline, set model.family: linear in params.yaml and run driftline run." in first
    )


def test_a_linear_model_is_the_baseline_itself(ordinary):
    same = ordinary.evaluate | {"intervals": ordinary.evaluate["intervals"] | {"difference": [0.0, 0.0]}}
    general = ordinary.general.model_copy(
        update={"model": ordinary.general.model.model_copy(update={"family": "linear"})}
    )
    tokenized = {"tokens": "ngrams", **{name: {"rows": 9} for name in ("train", "validation", "test")}}
    tried = [{"features": "words", "estimator": "svm", "penalty": 1.0, "macro_f1": 0.9, "log_loss": 0.2}]
    linear = replace(
        ordinary, evaluate=same, general=general, tokenize=tokenized, finetune=ordinary.finetune | {"tried": tried}
    )
    said = Parsed(render(linear, Params())).text
    assert "The model is linear and reaches" in said and "to ship the baseline" not in said
    assert "Fitted in one go" in said and "9 texts to train on" in said


@pytest.mark.proof
def test_the_gap_on_the_current_rows_is_shown_where_they_have_labels(ordinary):
    beside = {"rows": 40, "accuracy": 0.8, "macro_f1": 0.7, "baseline": {"accuracy": 0.9, "macro_f1": 0.85}}
    beside |= {
        "difference": {"accuracy": -0.1, "macro_f1": -0.15},
        "interval": {name: [-0.2, -0.05] for name in ("accuracy", "macro_f1")},
    }
    drift = ordinary.drift | {"performance": ordinary.drift["performance"] | {"beside_baseline": beside}}
    said = Parsed(render(replace(ordinary, drift=drift), Params())).text
    assert "Model and baseline on the current rows" in said and "On the 40 current rows that have a label" in said
    assert "the baseline is better by 0.150 in macro-F1" in said
    assert "Model and baseline on the current rows" not in Parsed(render(ordinary, Params())).text


@pytest.mark.proof
def test_what_validate_found_about_labels_and_texts_is_shown(ordinary):
    found = ["labels that look alike: 'spam' 30, '<Spam>' 2: if they are one, say validate.merge_labels: {}"]
    current = ordinary.validate["current"]
    page = render(replace(ordinary, validate=ordinary.validate | {"current": current | {"findings": found}}), Params())
    assert f"In current rows, {found[0]}." in Parsed(page).text
    assert "<Spam>" not in page
    assert "look alike" not in render(ordinary, Params())


@pytest.mark.proof
def test_thresholds_and_what_is_acted_on_are_shown(ordinary):
    assert "Every prediction is a decision: no costs" in render(ordinary, Params())
    chosen = {"costs": {"ham": 1.0, "spam": 5.0}, "thresholds": {"ham": 0.6, "spam": None}}
    page = render(replace(ordinary, finetune=ordinary.finetune | {"decision": chosen}), Params())
    assert "the model abstains on" in page and ">never<" in page and ">0.600<" in page


def test_a_behaviour_test_below_what_is_asked_is_pointed_out_and_shown(ordinary):
    page = render(ordinary, Params())
    assert "19 of 20" in page and "12 of 20" in page and page.count("chip good") >= 1
    said = [step.text for step in verdict.steps(ordinary, *verdict.findings(ordinary))]
    assert any("fail a behavioural test: <b>Case</b>." in text for text in said)
    assert "<b>Case</b>" not in page


@pytest.mark.proof
def test_where_all_is_well_there_is_nothing_to_do(ordinary):
    figures = ordinary.evaluate | {"calibration_error": 0.01, "behaviour": []}
    figures["intervals"] = figures["intervals"] | {"difference": [0.01, 0.02]}
    calm = ordinary.drift | {"drifted": False, "significant": False}
    clean = inputs(
        evaluate=figures,
        drift=calm,
        validate=dict.fromkeys(paths.WINDOWS, window(10, {}, {"ham": 5, "spam": 5})),
        curves=[record | {"validation_loss": 0.1} for record in ordinary.curves],
    )
    (step,) = verdict.steps(clean, *verdict.findings(clean))
    assert "Nothing here is a reason not to use this model" in step.text


@pytest.mark.proof
def test_a_current_window_without_rows_and_a_quarantine_without_any_are_shown():
    silent = drift_verdict(
        rows_from_table(pa.table({"prediction": ["ham"] * 90}), None, None, "here"),
        rows_from_table(pa.table({"prediction": pa.array([], pa.string())}), None, None, "here"),
        DriftParams(),
        7,
    )
    assert silent["drifted"] is None
    empty = inputs(
        general=general(),
        windows=windows_of(),
        drift=silent,
        ingest={
            "reference": {"rows": 1000},
            "current": {"rows": 0, "source": {"path": "a", "records": 0, "outside": 0}},
        },
        validate={"reference": window(1000, {}, {"ham": 1000}), "current": window(0, {}, {})},
        quarantine=dict.fromkeys(paths.WINDOWS, quarantined()),
        split={"rows": {"train": 1000}, "near_duplicate_rows": 0, "reasons": {"bridges_splits": 0}},
    )
    said = Parsed(render(empty, Params())).text
    assert "No current data." in said
    assert "Every row passed" in said and "Nothing: every row met the rules." in said
    assert "does not add up" not in said


@pytest.mark.proof
def test_a_row_that_went_missing_is_pointed_out(ordinary):
    lost = replace(ordinary, ingest={"reference": {"rows": 1004}, "current": {"rows": 510}})
    assert [balance.even for balance in tables.balances(lost)] == [False, True, True]
    assert Parsed(render(lost, Params())).text.count("does not add up") == 1
    assert "does not add up" not in render(ordinary, Params())


@pytest.mark.proof
def test_of_many_labels_the_confused_pairs_are_listed_and_the_matrix_is_not():
    labels = [f"label {i:02}" for i in range(45)]
    figures = evaluated(labels, right=0.7)
    many = dict.fromkeys(paths.WINDOWS, window(4500, {}, dict.fromkeys(labels, 100)))
    page = render(inputs(evaluate=figures, validate=many), Params())
    parsed = Parsed(page)
    assert "matrix" not in {attributes.get("class") for _, attributes in parsed.tags}
    assert "33 other labels" in parsed.text and "33 more labels" in parsed.text
    assert len(page) < 120_000
    pairs = tables.confused(figures["confusion"])
    counts = np.array(figures["confusion"]["counts"])
    assert sum(pair.rows for pair in pairs) == counts.sum() - counts.trace()
    assert pairs[0].rows == (counts - np.diag(counts.diagonal())).max()
    weakest = tables.classes(figures["classes"], 12)
    assert [its["f1"] for _, its in weakest] == sorted(its["f1"] for _, its in weakest)


@pytest.mark.proof
def test_one_epoch_makes_no_curve_but_is_listed(ordinary):
    once = replace(ordinary, curves=ordinary.curves[:1])
    page = render(once, Params())
    curve = re.compile('<polyline class="(train|validation)"')
    assert not curve.search(page) and "no curve to draw" in page
    assert curve.findall(render(ordinary, Params())) == ["train", "validation"]


def test_curves_stay_within_the_drawing_and_fall_where_the_loss_falls(ordinary):
    drawn = charts.curves(ordinary.curves)
    for line in drawn.lines:
        assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in line.points)
        assert [y for _, y in line.points] == sorted(y for _, y in line.points), "down is further from the top"
    assert [mark for _, mark in drawn.x] == ["1", "2", "3"]


def test_a_training_that_went_on_for_too_long_is_pointed_out(ordinary):
    up = [record | {"validation_loss": loss} for record, loss in zip(ordinary.curves, (0.2, 0.1, 0.13), strict=True)]
    for curves, expected in ((up, True), (ordinary.curves, False), ([], False)):
        found = replace(ordinary, curves=curves)
        said = " ".join(step.text for step in verdict.steps(found, *verdict.findings(found)))
        assert ("lowest after 2 of 3" in said) == expected


@given(st.floats(-1, 1), st.floats(0, 2))
def test_an_axis_holds_its_range_and_its_marks_differ(low, span):
    axis = charts.axis(low, low + span)
    assert axis.low <= low + 1e-6 and low + span - 1e-6 <= axis.high
    assert 2 <= len(axis.ticks) <= 8
    assert len({axis.written(tick) for tick in axis.ticks}) == len(axis.ticks)
    assert axis.place(axis.low) == 0 and axis.place(axis.high) == 100


def test_numbers_and_names_are_written_for_people():
    assert phrases.signed(-0.0123) == f"{MINUS}0.012"
    assert phrases.percent(0.1034).replace("\N{NO-BREAK SPACE}", " ") == "10.3 %"
    assert phrases.p_value(0.0002) == "< 0.001"
    assert phrases.code("run `<b>`") == "run <code>&lt;b&gt;</code>"
    facts = dict(phrases.facts({"seconds": {"train": 201.84}, "labels": ["a"], "is_it": True, "tokens": 1456000}))
    assert facts == {"seconds: train": "201.84", "is it": "yes", "tokens": "1,456,000"}


@pytest.mark.parametrize(
    ("window_", "said"),
    [
        ({}, "of any time"),
        ({"until": "2026-01-01"}, "before 2026-01-01"),
        ({"from": "2026-01-01T06:30"}, "from 2026-01-01 06:30"),
    ],
)
def test_windows_are_written_in_words(window_, said):
    assert phrases.window_range(params.parse(windows.WindowRange, window_, "windows.current", paths.PARAMS)) == said


@pytest.mark.proof
def test_the_stage_writes_the_page_twice_the_same_and_says_what_it_says(ordinary, tmp_path, monkeypatch, capsys):
    laid_out(ordinary, tmp_path)
    monkeypatch.chdir(tmp_path)
    main()
    first, carded = INDEX.read_bytes(), CARD.read_bytes()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Model", "Drift", "Open"]
    assert f"{ordinary.evaluate['macro_f1']:.3f}" in lines[0] and "changed" in lines[1].lower()
    assert lines[2].endswith("reports/index.html")
    assert "12.5" in COST.read_text(encoding="utf-8")
    write_json({"seconds": {"train": 99.0}}, paths.FINETUNE_COST)
    main()
    assert (INDEX.read_bytes(), CARD.read_bytes()) == (first, carded), "neither holds a second"
    assert "99" in COST.read_text(encoding="utf-8")
    made = {"index.html", "curves.csv", "finetune_cost.json", "cost.html"}
    assert {path.name for path in paths.REPORTS.iterdir()} == made
    for lost in ("", "{"):
        paths.FINETUNE_COST.write_text(lost)
        main()
    assert read_curves(paths.CURVES)[1] == {"epoch": 2, "step": 44, "validation_loss": 0.1}


@pytest.mark.parametrize("missing", [paths.metrics("drift"), paths.CURVES, layout.window("current").quarantine])
def test_what_is_missing_is_refused_by_its_name(ordinary, tmp_path, monkeypatch, missing):
    laid_out(ordinary, tmp_path)
    (tmp_path / missing).unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=str(missing)):
        main()
    assert not INDEX.exists()


@pytest.mark.proof
def test_the_reliability_diagram_holds_every_bin_and_its_band():
    bins = inputs().evaluate["reliability"]["bins"]
    found = charts.reliability(bins)
    assert len(found.points) == len(bins)
    ends = [tuple(map(float, pair.split(","))) for interval in found.intervals for pair in interval.split()]
    assert len(ends) == 2 * len(bins)
    for x, y in [*found.points, *ends]:
        assert 0 <= x <= 100 and 0 <= y <= 100
    assert 'class="chance"' in render(inputs(), Params())


@pytest.mark.proof
def test_an_own_measure_is_a_row_of_the_table():
    evaluate = evaluated(["ham", "spam"])
    for part in (evaluate, evaluate["baseline"], evaluate["differences"]):
        part["mean_cost"] = 0.25
    for part in (evaluate["intervals"], evaluate["intervals"]["baseline"], evaluate["intervals"]["differences"]):
        part["mean_cost"] = [0.125, 0.5]
    page = render(inputs(evaluate=evaluate), Params())
    assert "Mean cost" in page and "[0.125, 0.500]" in page
    assert "Mean cost" not in render(inputs(), Params())
