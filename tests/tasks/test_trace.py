"""A row's life is told from the record it came from to what the model said of it, as far as the tables tell."""

from __future__ import annotations

import re
from shutil import rmtree

import pyarrow as pa
import pytest

from tasks.core.errors import UserError
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.dataset.schema import REASONS, scored
from tasks.split import Params
from tasks.split.__main__ import assigned, write_splits
from tasks.trace import trace
from tasks.validate import RELEASED
from tasks.validate.releases import Release, add_releases
from tests.support.raw_rows import raw_table, texts_with_copies

LIKE = " ".join(f"word{i}" for i in range(30))


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The tables of a reference window: two rows that resemble each other, one held, one in quarantine at the split."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("model: {name: m}\nsplit: {group: team}\n", encoding="utf-8")
    texts = [*texts_with_copies(3, 60), LIKE, f"{LIKE} more, says a@b.org", "Said twice", "said  TWICE"]
    raw = raw_table(texts, team=[f"t{i}" for i in range(62)] + ["t0", "t0"])
    where = layout.window("reference")
    write_table(raw, where.raw)
    held = raw.slice(63).append_column(REASONS, pa.array([["duplicate_text"]], REASONS.type))
    write_table(held, where.quarantine)
    write_table(raw.slice(0, 63), where.validated)
    passed = raw.slice(0, 63)
    write_splits(passed, assigned(passed, Params(group="team"), 1)[0], layout.SPLITS)
    return where


def words(name, **options):
    found = {}
    for heading, said in trace(name, **options):
        found.setdefault(heading, []).append(said)
    return found


def test_a_row_that_passed_is_followed_to_its_split_its_company_and_the_model(told):
    row = {"id": "r61", "prediction": "a", "confidence": 0.75, "probability_a": 0.75, "decision": None}
    write_table(pa.Table.from_pylist([row], scored(["a"])), told.scored)
    life = words("r61")
    assert life["source"] == ["f, row 61"]
    assert life["window"] == ["reference, 2020-01-03 13:00:00 UTC"]
    assert life["text"][0].endswith("says [mail]")
    assert life["validate"] == ["passed"]
    assert life["split"] in (["train"], ["validation"], ["test"])
    assert life["split"] == words("r60")["split"]
    assert life["group"] == ["team t61"]
    assert life["resembles"] == ["r60"]
    assert life["model"] == ["says a with 0.750, abstains"]
    assert words("r61", whole=True)["text"] == [f"{LIKE} more, says a@b.org"]


def test_a_row_that_is_held_is_told_with_its_reasons_and_what_says_the_same(told):
    add_releases([Release("r63", "personal_data", "nobody's")], RELEASED)
    life = words("r63")
    assert life["validate"] == ["quarantined: duplicate_text"]
    assert life["says the same"] == ["r62, label a"]
    assert life["released"] == ["from personal_data: nobody's"]
    assert not {"split", "model"} & set(life)


def test_a_row_that_no_stage_has_judged_yet_says_so(told):
    told.validated.unlink()
    rmtree(layout.SPLITS)
    assert words("r62")["validate"] == ["not validated yet: run `dvc repro validate@reference`"]


@pytest.mark.parametrize(
    ("name", "message"), [("x", "no row's id begins with 'x'"), ("r6", "r6$"), ("r", "ids of 64 rows")]
)
def test_an_id_that_is_none_or_many_is_refused(told, name, message):
    if name == "r6":
        assert re.search(message, words(name)["id"][0])  # it is one, though others begin like it
        return
    with pytest.raises(UserError, match=message):
        trace(name)
