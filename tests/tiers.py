"""Which tests run when, and in which order: a plugin of pytest that tests/conftest.py loads.

Tiers, each with the ones before it: what no mark leaves out (``pytest -m "not slow"``), what is marked ``proof``
(``make test``), ``slow`` (``.ci/run``), ``long`` (``make test-long``). ``soak`` stands beside them (``make soak``).
``--order reversed`` and ``--order random:SEED`` show whether a test needs another one to have run before it.
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
    """The tests in that order; those of a module stay together, for its fixtures' sake."""
    if order == "written":
        return list(items)
    if order == "reversed":
        return list(reversed(items))
    word, _, seed = order.partition(":")
    if word != "random" or not seed.isdecimal():
        raise pytest.UsageError(f"--order {order}: give written, reversed or random:SEED, SEED a whole number")
    drawn = random.Random(int(seed))
    modules = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    drawn.shuffle(modules)
    for tests in modules:
        drawn.shuffle(tests)
    return [item for tests in modules for item in tests]
