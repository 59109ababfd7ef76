"""The order of the tests: drawn or reversed, module by module; a story's stay as written."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.tiers import ordered

WRITTEN = [(module, number) for module in ("a", "story", "b") for number in range(9)]


def items():
    def item(module, number):
        marked = module == "story"
        return SimpleNamespace(
            path=module, number=number, get_closest_marker=lambda name: marked if name == "in_order" else None
        )

    return [item(module, number) for module, number in WRITTEN]


def arranged(order):
    return [(one.path, one.number) for one in ordered(items(), order)]


@pytest.mark.parametrize("order", ["reversed", "random:7", "random:8"])
def test_modules_stay_together_and_a_storys_tests_as_written(order):
    found = arranged(order)
    assert found != WRITTEN and sorted(found) == sorted(WRITTEN) and found == arranged(order)
    places = {module: [place for place, one in enumerate(found) if one[0] == module] for module in ("a", "story", "b")}
    assert all(place[-1] - place[0] == 8 for place in places.values())
    assert [number for module, number in found if module == "story"] == list(range(9))
    assert [number for module, number in found if module == "a"] != list(range(9))


def test_reversed_is_from_the_end_and_each_seed_draws_its_own():
    assert arranged("written") == WRITTEN
    assert [one for one in arranged("reversed") if one[0] != "story"] == [
        one for one in reversed(WRITTEN) if one[0] != "story"
    ]
    assert arranged("random:7") != arranged("random:8")


@pytest.mark.parametrize("order", ["random", "random:x", "sorted", ""])
def test_another_order_is_refused(order):
    with pytest.raises(pytest.UsageError, match="give written, reversed or random:SEED"):
        ordered(items(), order)
