"""The drift page: what it says, that it hides what is personal, and that nothing from the data can run in it."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from tasks.drift import Params
from tasks.drift.distributions import evidently_frame
from tasks.drift.examples import what_changed
from tasks.drift.page import dates, most_telling, shares, write_page
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.verdict import drift_verdict
from tasks.redaction import redact

pytestmark = pytest.mark.slow  # of Evidently, which takes 8 s to import

CALM = [
    "the",
    "list",
    "of",
    "kernel",
    "patches",
    "for",
    "the",
    "meeting",
    "was",
    "sent",
    "to",
    "all",
    "of",
    "us",
    "today",
]
HOSTILE = [
    "</script><script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "--><svg onload=document.title='ran'>&lt;script&gt;document.title='ran'&lt;/script&gt;",
    '</style><a href="javascript:document.title=1">spam</a>{{ 7 * 7 }}',
]


def rows(seed, count, labels=("ham", "spam"), extra=""):
    rng = np.random.default_rng(seed)
    texts = [" ".join([*rng.choice(CALM, size=12), *extra.split(" ")]) for _ in range(count)]
    label = rng.choice(np.array(labels, dtype=object), size=count)
    columns = {"text": texts, "prediction": label, "confidence": rng.random(count), "label": label}
    return rows_from_table(pa.table(columns), None, None, "here")


class Parsed(HTMLParser):
    """What a browser would make of a page: its scripts' number, its tags with attributes, and its words."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.within = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.within = [tag] if tag in ("script", "style") else []

    def handle_endtag(self, tag):
        self.within = []

    def handle_data(self, data):
        if not self.within:
            self.words.append(" ".join(data.split()))


def page_of(tmp_path, reference, current, **params):
    params = Params(permutations=199, **params)
    path = tmp_path / "drift.html"
    write_page(drift_verdict(reference, current, params, seed=7), reference, current, params, 7, path)
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of harmless rows, and one where every text and label of the current rows attacks."""
    found = {}
    for name, labels in (("harmless", ("ham", "spam")), ("hostile", HOSTILE)):
        extra = "" if name == "harmless" else " ".join(HOSTILE)
        found[name] = page_of(tmp_path_factory.mktemp(name), rows(1, 80), rows(2, 80, labels, extra))
    return found


def test_nothing_in_the_data_becomes_a_part_of_the_page(pages):
    harmless, hostile = (Parsed(pages[name].read_text()) for name in ("harmless", "hostile"))
    assert {tag for tag, _ in hostile.tags} <= {tag for tag, _ in harmless.tags}
    assert [tag for tag, _ in hostile.tags].count("script") == [tag for tag, _ in harmless.tags].count("script") == 5
    assert not [key for _, attributes in hostile.tags for key in attributes if key.startswith("on")]
    assert any(HOSTILE[0] in words for words in hostile.words), "the text is shown, as text"
    shown = [words for words in hostile.words if HOSTILE[3].partition("{{")[0] in words]
    assert shown and all(HOSTILE[3] in words for words in shown), "a template in a text is not filled in"


def test_the_page_asks_nobody_for_anything(pages):
    for page in pages.values():
        parsed = Parsed(page.read_text())
        assert not [a for tag, a in parsed.tags if tag in ("link", "iframe", "img", "base") or "src" in a]
        (policy,) = [a["content"] for tag, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'") and "http" not in policy


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_draws_the_page_and_runs_nothing_from_the_data(pages, tmp_path):
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    call = ["chromium", *switches.split(), "--disable-component-update", f"--user-data-dir={tmp_path}"]
    page = pages["hostile"].as_uri()
    done = subprocess.run([*call, "--virtual-time-budget=15000", "--dump-dom", page], capture_output=True, text=True)
    drawn = Parsed(done.stdout)
    assert "<title>Drift</title>" in done.stdout
    assert "Drift in column 'label'" in drawn.words, "Evidently's part was drawn"
    assert not [a for _, a in drawn.tags if "javascript:" in str(a.get("href"))]


def test_the_page_says_what_moved_and_why(tmp_path):
    page = page_of(tmp_path, rows(1, 100), rows(2, 100, extra="viagra winner casino lottery jackpot"), examples=3)
    words = Parsed(page.read_text()).words
    assert any("signals moved enough for an alarm" in text and "Inputs: changed." in text for text in words)
    decisions = ("The data have changed", "of accuracy are lost: refit", "is not ruled out")
    assert any(said in text for text in words for said in decisions), "the title is what to do"
    assert "alarm" in words and "as before" in words
    assert {"viagra", "winner", "casino", "lottery", "jackpot"} & set(words)


@pytest.mark.parametrize(("now", "first"), [(0.80, "lost"), (0.95, "grew")])
def test_the_first_segment_is_the_one_that_lost_where_accuracy_fell_and_else_the_one_that_grew(now, first):
    """As the verdict on a window names one (flows/windows/segments.py)."""
    segments = [
        {"name": "grew", "slice": None, "share": 0.6, "estimated_loss": 0.0},
        {"name": "lost", "slice": None, "share": 0.4, "estimated_loss": 0.1},
    ]
    accuracy = {"reference_accuracy": 0.95, "reference_interval": [0.94, 0.96], "measured_rows": 500}
    measured = {"measured_accuracy": now, "measured_interval": [now - 0.01, now + 0.01]}
    told = {"signals": {}, "rows": {"current": 500}, "performance": accuracy | measured, "segments": segments}
    assert most_telling(told)[0]["name"] == first


@pytest.mark.long
def test_shares_of_labels_add_up_and_dates_and_a_link_back_are_shown_where_there_are_such():
    found = list(shares(rows(1, 100), rows(2, 100)))
    assert [one["kind"] for one in found] == ["predictions", "labels"]
    for one in found:
        for side in ("reference", "current"):
            assert sum(line[side] for line in one["lines"]) == pytest.approx(1)
    times = np.array(["2026-01-03T10", "2026-01-01", "NaT"], "datetime64[us]")
    assert dates(Rows(3, times=times)) == "2026-01-01 to 2026-01-03"
    assert dates(Rows(1, times=times[1:2])) == "2026-01-01" and dates(Rows(3)) == ""


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = (page_of(tmp_path, rows(1, 60), rows(2, 60)).read_bytes() for _ in range(2))
    assert first == second


@pytest.mark.long
def test_many_rows_are_sampled_and_the_page_says_so(tmp_path):
    page = page_of(tmp_path, rows(1, 150), rows(2, 150), report_rows=100)
    words = " ".join(Parsed(page.read_text()).words)
    assert "a seeded sample of 100 of 150 current and 100 of 150 reference rows" in words


@pytest.mark.parametrize(("count", "reason"), [(0, "No current data."), (5, "Only 5 current rows")])
def test_without_a_verdict_the_page_is_small_and_says_why(tmp_path, count, reason):
    page = page_of(tmp_path, rows(1, 60), rows(2, count) if count else Rows(0))
    words = Parsed(page.read_text()).words
    assert "Cannot be told" in words and any(text.startswith(reason) for text in words)
    assert page.stat().st_size < 20_000


def test_columns_that_are_not_text_are_enough_for_a_page(tmp_path):
    numbers = {"confidence": np.linspace(0, 1, 50)}
    page = page_of(tmp_path, Rows(50, numbers=numbers), Rows(50, numbers=numbers))
    assert "The data are as before" in Parsed(page.read_text()).words


def test_what_is_personal_is_masked():
    text = "call +353 1 555 0199 or write to jane.doe+x@mail.example.ie, see https://a.b/c?user=jane now"
    assert redact(text) == "call +### # ### #### or write to [mail], see [link] now"


def test_the_words_and_texts_that_changed_are_found_and_shown_once():
    reference, current = rows(1, 200), rows(2, 200)
    new = "viagra winner casino lottery jackpot now"
    texts = current.text.to_pylist()
    texts[10:40] = [f"{new} jane@a.b {i}" for i in range(30)]
    current = rows_from_table(pa.table({"text": texts}), None, None, "here")
    words, examples = what_changed(reference, current, 4)
    assert {word.word for word in words} <= {*new.split(), *CALM}
    assert words[0].reference == 0 and words[0].current == pytest.approx(30 / 200)
    assert examples[0].text.startswith("viagra winner") and "[mail]" in examples[0].text
    assert "jane" not in examples[0].text
    assert sum("viagra" in example.text for example in examples) == 1
    assert what_changed(reference, current, 0) == ([], [])
    assert what_changed(*(rows_from_table(pa.table({"text": ["1", "2"]}), None, None, "x") for _ in "ab"), 4) == (
        [],
        [],
    )


def test_what_evidently_is_given_holds_no_markup():
    frame = evidently_frame(rows(1, 20, HOSTILE), {"confidence": 0.5})
    assert frame["confidence"].max() == 0.5
    assert not frame["label"].str.contains("[<>\u2028]").any()
