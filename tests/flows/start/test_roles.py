"""Which column plays which part, proposed from names and values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flows.start.roles import propose
from tasks.core.errors import UserError

TEXTS = [f"the invoice number {i} is wrong, please have a look at it" for i in range(40)]
PLAIN = {
    "id": [f"t{i}" for i in range(40)],
    "text": TEXTS,
    "label": ["bug", "billing"] * 20,
    "created_at": [f"2026-03-{1 + i % 28:02} 10:00:00" for i in range(40)],
}


def roles(columns, **given):
    return propose(pa.table(columns), given)


def test_usual_names_and_values_settle_every_part():
    found = roles(PLAIN)
    assert found.columns.model_dump(exclude_none=True) == {
        "text": "text", "label": "label", "timestamp": "created_at", "id": "id",
    }  # fmt: skip
    assert not found.unsettled
    assert len(found.evidence) == 4


@pytest.mark.parametrize("order", [list(PLAIN), list(PLAIN)[::-1]])
def test_the_order_of_the_columns_decides_nothing(order):
    assert roles({name: PLAIN[name] for name in order}).columns == roles(PLAIN).columns


def test_without_usual_names_the_values_decide():
    found = roles({"a": PLAIN["text"], "b": PLAIN["label"], "c": PLAIN["created_at"]})
    assert found.columns.model_dump(exclude_none=True) == {"text": "a", "label": "b", "timestamp": "c"}


def test_a_table_in_chinese_is_read_by_its_names_and_signs():
    texts = [f"房间很干净，服务员也很热情，下次还会再来住的，推荐给大家{i}" for i in range(40)]
    labels = ["好评", "差评"] * 20
    found = roles({"编号": list(range(7, 47)), "时间": PLAIN["created_at"], "内容": texts, "评价": labels})
    assert found.columns.model_dump(exclude_none=True) == {
        "id": "编号", "timestamp": "时间", "text": "内容", "label": "评价",
    }  # fmt: skip
    assert "text: '内容', 30 characters on average" in found.evidence


def test_two_columns_that_may_be_the_label_are_left_to_a_person():
    found = roles({"text": TEXTS, "team": ["a", "b"] * 20, "channel": ["web", "app"] * 20})
    assert len(found.unsettled) == 1
    assert "--label settles it" in found.unsettled[0]
    settled = roles({"text": TEXTS, "team": ["a", "b"] * 20, "channel": ["web", "app"] * 20}, label="team")
    assert not settled.unsettled
    assert settled.columns.label == "team"


def test_days_and_months_that_may_be_swapped_are_left_to_a_person():
    found = roles({**PLAIN, "created_at": [f"0{1 + i % 9}/0{1 + i % 7}/2026" for i in range(40)]})
    assert found.time_formats
    assert "--time-format settles it" in found.unsettled[-1]


def test_numbers_of_rows_are_no_ids_and_counts_are_no_times():
    found = roles({"": list(range(40)), "text": TEXTS, "label": ["a", "b"] * 20, "time": list(range(40))})
    assert found.columns.id is None
    assert found.columns.timestamp is None


def test_no_text_and_a_column_that_is_not_there_are_refused():
    with pytest.raises(UserError, match="no column 'body'; there are 'text'"):
        roles({"text": TEXTS}, text="body")
    with pytest.raises(UserError, match="no column looks like text"):
        roles({"created_at": PLAIN["created_at"]})
