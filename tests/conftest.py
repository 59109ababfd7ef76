"""Tiny models, built in memory: no test needs a hub. Property tests draw the same examples everywhere."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

from tests.tiers import pytest_addoption, pytest_collection_modifyitems  # noqa: F401  hooks, which pytest finds here

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("random", deadline=None, print_blob=True, database=None)  # with --hypothesis-seed
settings.load_profile("same")


def pytest_collection_finish():
    """What the test modules imported stays, and is not looked through again whenever garbage is collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The tiny checkpoint of tests/support."""
    from tests.support.tiny_checkpoint import make

    return make(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def tokens(tiny_checkpoint, tmp_path_factory):
    """Tokenized splits of mails, as ``tokenize`` leaves them."""
    from tasks.modelling.checkpoints import checkpoint
    from tasks.tokenize import Params, prepared, tokenize
    from tests.support.mails import mails

    folder = tmp_path_factory.mktemp("tokens")
    splits = {"train": mails(96), "validation": mails(24, 1), "test": mails(24, 2)}
    tokenize(splits, prepared(checkpoint.Checkpoint(str(tiny_checkpoint)), Params(max_length=16)), folder)
    return folder
