"""A window beside those that the same champion was watched on before."""

from __future__ import annotations

from flows.windows.history import PastWindows


def test_a_window_is_compared_by_the_effect_of_each_signal():
    found = PastWindows.of({"words": 0.4, "new": 0.2}, [{"words": 0.5}, {"words": 0.1}, {}])
    assert found == PastWindows(windows=3, changed_as_much={"words": 1, "new": 0})
    words = "1 of 3 earlier windows under this champion changed as much in words"
    assert found.describe({"words": 0.4}) == words
    assert found.describe({}) is None
    assert PastWindows.of({"words": 0.4}, []).describe({"words": 0.4}) is None
