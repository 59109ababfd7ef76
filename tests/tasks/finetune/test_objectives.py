"""Losses, optimizers, schedules and activations are those that their names say, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import optim
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from tasks.core import params
from tasks.core.errors import UserError
from tasks.finetune import Params
from tasks.finetune.objectives import LOSSES, loss
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.transformer import finetune
from tasks.modelling.checkpoints import checkpoint
from tests.support.models import QUICK

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0], [-4.0, 5.0, 1.0], [0.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 2, 1, 0])
WEIGHT = torch.tensor([0.5, 2.0, 3.0])


def of(name, *, weight=None, **section):
    return loss(LOGITS, LABELS, weight, Params(loss=name, **section))


def test_losses_are_torchs_own_and_the_papers():
    torch.testing.assert_close(of("cross_entropy"), cross_entropy(LOGITS, LABELS))
    targets = one_hot(LABELS, 3).float()
    torch.testing.assert_close(of("mse"), mse_loss(LOGITS.softmax(1), targets))
    told = LOGITS.softmax(1)[range(4), LABELS]
    torch.testing.assert_close(of("focal", focal_gamma=2.0), (-((1 - told) ** 2) * told.log()).mean())
    torch.testing.assert_close(
        of("cross_entropy", weight=WEIGHT, label_smoothing=0.1),
        cross_entropy(LOGITS, LABELS, WEIGHT, label_smoothing=0.1),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_focal_loss_without_focus_is_the_cross_entropy(smoothing):
    torch.testing.assert_close(
        of("focal", focal_gamma=0.0, label_smoothing=smoothing), of("cross_entropy", label_smoothing=smoothing)
    )
    torch.testing.assert_close(of("focal", focal_gamma=0.0, weight=WEIGHT), of("cross_entropy", weight=WEIGHT))


@pytest.mark.parametrize("name", LOSSES["single_label"])
def test_a_label_that_weighs_twice_counts_as_if_its_rows_were_there_twice(name):
    twice = torch.tensor([1.0, 1.0, 2.0])
    repeated = loss(LOGITS[[0, 1, 1, 2, 3]], LABELS[[0, 1, 1, 2, 3]], None, Params(loss=name))
    torch.testing.assert_close(of(name, weight=twice), repeated)


@pytest.mark.parametrize("name", LOSSES["single_label"])
def test_a_loss_is_least_where_the_label_is_told(name):
    logits = torch.zeros(1, 3, requires_grad=True)
    loss(logits, torch.tensor([1]), None, Params(loss=name)).backward()
    assert logits.grad[0, 1] < 0 < logits.grad[0, 0]
    sure = loss(torch.tensor([[-90.0, 90.0, -90.0]]), torch.tensor([1]), None, Params(loss=name))
    assert sure.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("section", "kind", "values"),
    [
        ({"optimizer": "adamw"}, optim.AdamW, {"betas": (0.9, 0.999)}),
        ({"optimizer": "adam"}, optim.Adam, {"betas": (0.9, 0.999)}),
        ({"optimizer": "sgd", "momentum": 0.7, "learning_rate": 0.5}, optim.SGD, {"momentum": 0.7}),
    ],
)
def test_the_trainer_is_given_the_optimizer_of_that_name(tokens, tiny_checkpoint, section, kind, values):
    seen = []
    create = ClassifierTrainer.create_optimizer

    def spy(self, *args, **named):
        seen.append(create(self, *args, **named))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTrainer, "create_optimizer", spy)
        _, done = finetune(
            tokens,
            checkpoint.Checkpoint(str(tiny_checkpoint)),
            Params(epochs=3, layers=1, loss="mse", **QUICK | section),
            7,
        )
    assert type(seen[0]) is kind
    decayed, free = seen[0].param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    assert all(decayed[name] == value for name, value in values.items())
    assert done.curves[-1]["train_loss"] < done.curves[0]["train_loss"]


@pytest.mark.parametrize("activation", ["relu", "gelu", "sigmoid", "tanh"])
@pytest.mark.parametrize("family", [None, "rnn"])
def test_a_model_gets_the_activation_of_that_name(tiny_checkpoint, activation, family):
    source = checkpoint.Checkpoint(str(tiny_checkpoint), family=family)
    model = checkpoint.classifier(source, ["ham", "spam"], activation=activation)
    assert model.config.hidden_act == activation
    layer = model.activation if family else model.bert.encoder.layer[0].intermediate.intermediate_act_fn
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(
        layer(x), getattr(torch, activation, None)(x) if activation != "gelu" else torch.nn.functional.gelu(x)
    )


@pytest.mark.parametrize(
    ("key", "wrong", "right"),
    [
        ("loss", "hinge", ["cross_entropy", "mse", "focal"]),
        ("optimizer", "lion", ["adamw", "adam", "sgd"]),
        ("scheduler", "step", ["linear", "cosine", "polynomial", "inverse_sqrt", "constant"]),
        ("activation", "swish", ["relu", "gelu", "sigmoid", "tanh"]),
    ],
)
def test_a_wrong_name_is_refused_beside_the_right_ones(tmp_path, key, wrong, right):
    file = tmp_path / "params.yaml"
    file.write_text(f"model: {{name: tiny}}\nfinetune: {{{key}: {wrong}}}\n")
    with pytest.raises(UserError, match=rf"finetune\.{key}.*not '{wrong}'") as refused:
        params.load(Params, "finetune", file)
    assert all(f"'{name}'" in str(refused.value) for name in right)
