"""Linear probe: the last layer is initialised with a logistic regression on the untrained model's embeddings.

Kumar et al. 2022 ("Fine-Tuning can Distort Pretrained Features"): with a random last layer the first steps distort
the layers below; with a fitted one they do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedModel

from tasks.finetune.batching import LengthGroupedSampler, Rows, model_inputs
from tasks.finetune.micro_batches import halved_on_oom
from tasks.modelling.checkpoints.checkpoint import last_layer
from tasks.modelling.training.checkpoint_store import build_once

Array = npt.NDArray[np.float64]
FILE = "probe.npz"


@torch.inference_mode()
def embeddings(model: PreTrainedModel, rows: Rows, batch_size: int) -> npt.NDArray[np.float32]:
    """The input of the last layer for every row, [rows, hidden], without dropout."""
    seen: dict[str, torch.Tensor] = {}
    made = np.empty((len(rows), last_layer(model).in_features), np.float32)

    def remember(_: nn.Module, given: tuple[Any, ...]) -> None:
        seen["input"] = given[0]

    def run(batch: list[int]) -> None:
        model(**model_inputs(model, rows, batch))
        made[batch] = seen["input"].float().cpu().numpy()

    hook = last_layer(model).register_forward_pre_hook(remember)
    model.train(False)
    batches = LengthGroupedSampler(rows.lengths, batch_size, seed=None)
    try:
        for batch in tqdm(batches, desc=f"probe, {len(rows)} rows", unit=" batches", mininterval=1):
            halved_on_oom(batch, run)
    finally:
        hook.remove()
    return made


def logistic_regression(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Weights [labels, hidden] and biases [labels] of a logistic regression with scikit-learn's own L2 penalty, for the
    labels that occur."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # otherwise the last digits depend on the number of cores
        regression = LogisticRegression(max_iter=1000).fit(features.astype(np.float64), labels)
    weights, biases = regression.coef_, regression.intercept_
    if len(weights) == 1:  # two labels: scikit-learn gives the difference of their logits
        return np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    return weights, biases


@torch.no_grad()
def init_last_layer(model: PreTrainedModel, rows: Rows, batch_size: int, folder: Path) -> None:
    """Initialise the last layer; ``folder`` stores the regression for a resumed training.

    The weights of a label without rows are left unchanged.
    """

    def write(folder: Path) -> None:
        weights, biases = logistic_regression(embeddings(model, rows, batch_size), rows.labels)
        np.savez(folder / FILE, weights=weights, biases=biases)

    layer, occurring = last_layer(model), np.unique(rows.labels)
    with np.load(build_once(folder, write) / FILE) as found:
        for own, its in ((layer.weight, found["weights"]), (layer.bias, found["biases"])):
            own[occurring] = torch.from_numpy(its).to(own)
