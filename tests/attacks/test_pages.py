"""Pages that show a supplier's and a label giver's words: nothing of them runs, nothing is asked for.

Every value that comes from data, a file's or a column's name, or params.yaml holds the same payload at once. What a
page has without it is the measure: the same kinds of elements, scripts and links.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pyarrow as pa
import pytest

from flows.two_runs.page import Side
from flows.two_runs.page import page as two_runs_page
from tasks.drift import Params as DriftParams
from tasks.drift.page import write_page
from tasks.drift.rows import rows_from_table
from tasks.drift.verdict import drift_verdict
from tasks.explain.explained import Explained
from tasks.explain.page import Mistake
from tasks.explain.page import page as explained_page
from tasks.report import Params as ReportParams
from tasks.report.inputs import Inputs
from tasks.report.render import render, render_cost
from tasks.validate.pages import make_self_contained
from tests.support.report_inputs import answered, evaluated, inputs, judged, quarantined, window
from tests.support.two_runs import StandIn

pytestmark = pytest.mark.slow

PLACE = "PAYLOAD"
PAYLOADS = {
    "script": "<script>alert('ran')</script>",
    "script after every closing tag": "</title></style></script></textarea></table></svg><script>alert('ran')</script>",
    "picture that fails": "<img src=x onerror=alert('ran')>",
    "picture from elsewhere": "<img src=//evil.test/picture>",
    "svg": "<svg onload=alert('ran')><use href='//evil.test/a.svg#b'/><animate onbegin=alert('ran') dur=1s>",
    "frame": "<iframe srcdoc=\"<script>parent.alert('ran')</script>\"></iframe><iframe src=//evil.test/frame></iframe>",
    "object": "<object data=//evil.test/o></object><embed src=//evil.test/e>",
    "javascript link": "<a href=\"javascript:alert('ran')\">click</a> [click](javascript:alert('ran'))",
    "data link": "<a href=\"data:text/html,<script>alert('ran')</script>\">click</a>",
    "refresh": "<meta http-equiv=refresh content=\"0;url=//evil.test/refresh\">",
    "base": "<base href=//evil.test/>",
    "stylesheet": "<link rel=stylesheet href=//evil.test/s.css><link rel=preconnect href=//evil.test>",
    "style": "</style><style>@import '//evil.test/i.css'; body{background:url(//evil.test/bg)}</style>",
    "style in css": "}*{background:url(//evil.test/bg)}@import url(//evil.test/i.css);/*",
    "form": "<form action=//evil.test/form><input autofocus onfocus=alert('ran')><button>send</button></form>",
    "attribute, double quotes": "\" onmouseover=alert('ran') autofocus onfocus=alert('ran') style=\"top:0\" x=\"",
    "attribute, single quotes": "' onmouseover=alert(\"ran\") tabindex=0 autofocus onfocus=alert(\"ran\") x='",
    "attribute, no quotes": "x onmouseover=alert(`ran`) autofocus/onfocus=alert(`ran`) ",
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}${alert('ran')}<%= 7 * 7 %>#{7*7}",
    "comment": "--><script>alert('ran')</script><!--",
    "entities": "&lt;script&gt;alert('ran')&lt;/script&gt;&#60;script&#62;alert('ran')&#60;/script&#62;",
    "line separators": "\u2028\u2029</script\u2028><script>alert('ran')</script>\u0085\x0b",
    "null and bidirectional": "<scr\x00ipt>alert('ran')</script>\u202e<script>alert('ran')</script>\ufeff",
    "script in a string": "';alert('ran');//\";alert('ran');//\\';alert('ran');//`;alert('ran');//",
    "details": "<details open ontoggle=alert('ran')><dialog open><video onerror=alert('ran') src=//evil.test/v>",
    "math": "<math><mtext><style><img src=x onerror=alert('ran')></style></mtext></math><noscript><p title=\"</noscript><img src=x onerror=alert('ran')>\">",  # noqa: E501
    "utf-7": "+ADw-script+AD4-alert('ran')+ADw-/script+AD4-",
}  # fmt: skip


def filled(value, payload):
    """The value with the payload in place of PLACE, in keys too."""
    if isinstance(value, str):
        return value.replace(PLACE, payload)
    if isinstance(value, Mapping):
        return {filled(key, payload): filled(each, payload) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, payload) for each in value]
    if isinstance(value, pa.Table):
        return pa.Table.from_pylist(filled(value.to_pylist(), payload), value.schema)
    return value


@cache
def finished_run():
    """The report's inputs, with PLACE wherever a person's or a supplier's word stands."""
    row = {"id": PLACE, "text": PLACE, "label": PLACE, "reasons": [PLACE], "source_file": PLACE}
    drift = judged(0.4)
    drift["reason"] = PLACE
    drift["signals"] = {f"{PLACE}{i}": one | {"where": PLACE} for i, one in enumerate(drift["signals"].values())}
    counts = {"path": PLACE, "records": 16, "reference": 10, "current": 5, "undated": 1, "outside": 0}
    return inputs(
        ingest={
            "reference": {"rows": 1003, "files": {PLACE: 1003}},
            "current": {"rows": 510, "files": {PLACE: 5}, "source": counts},
        },
        evaluate=evaluated([PLACE, "spam"]),
        answers=answered([PLACE, "spam"]),
        drift=drift,
        finetune={"temperature": 1.0, "labels": [PLACE, "spam"], PLACE: PLACE},
        quarantine={"reference": quarantined(row), "current": quarantined(row)},
        validate=dict.fromkeys(("reference", "current"), window(10, {PLACE: 1}, {PLACE: 5, "spam": 4})),
    )


def report(payload, folder):
    given = finished_run()
    model = given.general.model_copy(update={"model": given.general.model.model_copy(update={"name": payload})})
    changed = {
        name: filled(value, payload) for name, value in vars(given).items() if name not in ("general", "windows")
    }
    page = render(Inputs(**changed, general=model, windows=given.windows), ReportParams())
    return written(folder / "index.html", page)


def cost(payload, folder):
    return written(folder / "cost.html", render_cost({payload: {"device": payload}}, ReportParams()))


def explained(payload, folder):
    its = Explained([(payload, 2.0), (" call", -1.0), ("x", 0.001)], "spam", payload, 1.0, 0.0, 0.5, 8, False, payload)
    suspect = dict.fromkeys(("id", "label", "suggested", "begins"), payload) | {"quality": 0.1}
    return written(
        folder / "explained.html",
        explained_page([Mistake(payload, payload, 0.9, (payload, payload), its)], [suspect], 3),
    )


def data_docs(payload, folder):
    row = {"id": payload, "text": payload, "label": payload, "reasons": [payload], "source_file": payload}
    validations = folder / "validations" / "suite" / "run"
    validations.mkdir(parents=True)
    written(validations / "page.html", "<html><head></head><body></body></html>")
    make_self_contained(folder, {"suite": {payload: 1}}, quarantined(row), [payload])
    return folder / "index.html"


def written(file, text):
    file.write_text(text, encoding="utf-8")
    return file


def two_runs(payload, folder):
    def one(side):
        run = StandIn(payload, folder / side, labels=(payload, "ham", "spam"), words=payload)
        run.params[payload] = f"{side} {payload}"
        return Side(side.upper(), run, "../other/reports/")

    return written(folder / "two.html", two_runs_page(one("a"), one("b")))


PAGES = {"report": report, "cost": cost, "explained": explained, "Data Docs": data_docs, "two runs": two_runs}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def ordinary(browser, tmp_path_factory):
    """Each page as it is of harmless words."""
    from tests.attacks.browsing import visit

    return {name: visit(browser, make("words", tmp_path_factory.mktemp(make.__name__))) for name, make in PAGES.items()}


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_words_stay_words(page, payload, visit, ordinary, tmp_path):
    seen = visit(PAGES[page](PAYLOADS[payload], tmp_path), wait_ms=50)
    assert (seen.dialogs, seen.requests, seen.scripts, seen.handlers, seen.script_links) == ([], [], [], [], [])
    assert seen.elements <= ordinary[page].elements
    assert not [link for link in seen.links if "evil" in link]


def drift_page(words, folder):
    """Evidently's page of rows whose every label, prediction and text holds the words."""

    def side(seed):
        labels = [words, "spam"] * 40
        texts = [f"list of kernel patches {words} number {i * seed % 7}" for i in range(80)]
        confidence = [0.5 + (i * seed % 10) / 20 for i in range(80)]
        columns = {
            "text": texts,
            "prediction": labels[seed:] + labels[:seed],
            "confidence": confidence,
            "label": labels,
        }
        return rows_from_table(pa.table(columns), None, None, "here")

    reference, current = side(1), side(3)
    section = DriftParams(permutations=199)
    file = folder / "drift.html"
    write_page(drift_verdict(reference, current, section, seed=7), reference, current, section, 7, file)
    return file


@pytest.mark.long
def test_nothing_of_the_data_runs_on_evidentlys_page(visit, tmp_path):
    (tmp_path / "calm").mkdir()
    page = drift_page("words", tmp_path / "calm")
    calm = visit(page, axe=True, wait_ms=4000)
    assert calm.serious == [] == visit(page, axe=True, wait_ms=4000, scheme="dark").serious
    hostile = visit(drift_page(" ".join(PAYLOADS.values()), tmp_path), wait_ms=4000)
    assert (hostile.dialogs, hostile.requests, hostile.script_links) == ([], [], [])
    assert len(hostile.scripts) == len(calm.scripts) and hostile.elements <= calm.elements
    assert hostile.handlers == [] and not [link for link in hostile.links if "evil" in link]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_nothing_serious_keeps_a_person_from_reading_a_page(page, scheme, visit, tmp_path):
    assert visit(PAGES[page]("words", tmp_path), axe=True, scheme=scheme).serious == []
