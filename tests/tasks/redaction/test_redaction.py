"""What is redacted once is redacted: a second time changes nothing, and nothing of the first text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.redaction import excerpt, redact

pieces = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["jane.doe@example.org", "@", "a@", "@b", "https://x.org/?q=1", "www.", "http://", "10.0.0.1"]),
    st.sampled_from(["fe80::1%2", "::", "[mail]", "[link]", "[ip]", "+49 170 5551234", "٣", "²", "#", "7", "a", "_"]),
    st.sampled_from([" ", "\n", "<", ">", "[", "]", "(", ";", ","]),
)
texts = st.lists(pieces, max_size=14).map("".join)


@pytest.mark.proof
@settings(max_examples=400)
@given(texts)
def test_redaction_is_idempotent(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.proof
@settings(max_examples=200)
@given(texts, st.integers(1, 60))
def test_an_excerpt_is_one_line_of_what_is_redacted(text, length):
    found = excerpt(text, length)
    assert len(found) <= length + 1 and found.isprintable()
    assert not any(sign.isdigit() and sign.isdecimal() for sign in found)


def test_a_link_is_redacted_whatever_it_is_glued_to():
    assert redact("call 5551234https://x.org/?who=jane") == "call #######[link]"
    assert redact("read_www.x.org/jane, seehttp://x.org/jane") == "read_[link] see[link]"
    assert redact("awww. so kind") == "awww. so kind"
