"""Which tests run when, and in which order: a plugin of pytest that tests/conftest.py loads.

Tiers, each with the ones before it: what no mark leaves out (``pytest -m "not slow"``), what is marked ``proof``
(``make test``), ``slow`` (``.ci/run``), ``long`` (``make test-long``). ``soak`` stands beside them (``make soak``).
``--order reversed`` and ``--order random:SEED`` show whether a test needs another one to have run before it; a module
marked ``in_order`` tells one story, each test from where the one before left it.
"""

from __future__ import annotations

import random
from itertools import groupby

import pytest

SLOW = ("proof", "long", "soak")  # each is slow as well, whether or not it says so


def pytest_addoption(parser):
    parser.addoption("--order", default="written", metavar="ORDER", help="of the tests: reversed, or random:SEED")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if any(item.get_closest_marker(name) for name in SLOW):
            item.add_marker(pytest.mark.slow)
    items[:] = ordered(items, config.getoption("--order"))


def ordered(items, order):
    """The tests in that order; those of a module stay together, for its fixtures' sake, and where they are marked
    ``in_order`` as they are written."""
    if order == "written":
        return list(items)
    word, _, seed = order.partition(":")
    if order != "reversed" and (word != "random" or not seed.isdecimal()):
        raise pytest.UsageError(f"--order {order}: give written, reversed or random:SEED, SEED a whole number")
    arrange = list.reverse if order == "reversed" else random.Random(int(seed)).shuffle
    modules = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    arrange(modules)
    for tests in modules:
        if not tests[0].get_closest_marker("in_order"):
            arrange(tests)
    return [item for tests in modules for item in tests]
