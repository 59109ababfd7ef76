"""Classifiers that were trained once for all tests of the stages: never write into their folders, copy them."""

from __future__ import annotations

import pytest


@pytest.fixture
def bert():
    """An untrained BERT for two labels, the same weights each time."""
    import torch

    from tests.support.models import FAMILIES

    torch.manual_seed(1)
    return FAMILIES["bert"]()


@pytest.fixture(scope="session")
def classifier(tokens, tiny_checkpoint, tmp_path_factory):
    """The folder of a trained tiny classifier."""
    from tasks.finetune import Params
    from tasks.finetune.transformer import finetune, write_classifier
    from tasks.modelling.checkpoints import checkpoint
    from tests.support.models import QUICK

    folder = tmp_path_factory.mktemp("trained") / "classifier"
    model, _ = finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), Params(epochs=2, **QUICK), 7)
    write_classifier(model, tokens / "tokenizer", folder)
    return folder


@pytest.fixture(scope="session")
def recurrent(tokens, tiny_checkpoint, tmp_path_factory):
    """A trained recurrent classifier: its folder, the model, and what training says of it."""
    from tasks.finetune import Params
    from tasks.finetune.transformer import finetune, write_classifier
    from tests.support.models import QUICK, rnn

    folder = tmp_path_factory.mktemp("trained") / "classifier"
    section = Params(epochs=6, probe=False, **QUICK | {"learning_rate": 2e-2})
    model, done = finetune(tokens, rnn(tiny_checkpoint, cell="gru"), section, 7)
    write_classifier(model, tokens / "tokenizer", folder)
    return folder, model, done
