"""Linear probe: the last layer is initialised with a logistic regression on the untrained model's embeddings.

Kumar et al. 2022 ("Fine-Tuning can Distort Pretrained Features"): with a random last layer the first steps distort
the layers below; with a fitted one they do not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from tasks.finetune.batching import Rows, model_inputs, passes
from tasks.finetune.micro_batches import halved_on_oom
from tasks.modelling.checkpoints.checkpoint import last_layer
from tasks.modelling.checkpoints.head import watching_last_layer
from tasks.modelling.targets import registry
from tasks.modelling.targets.single_label import SINGLE_LABEL
from tasks.modelling.targets.target import Target
from tasks.modelling.training.checkpoint_store import build_once

Array = npt.NDArray[np.float64]
FILE = "probe.npz"


@torch.inference_mode()
def embeddings(model: PreTrainedModel, rows: Rows, batch_size: int) -> npt.NDArray[np.float32]:
    """The input of the last layer for every row, [rows, hidden], without dropout."""
    made = np.empty((len(rows), last_layer(model).in_features), np.float32)
    model.train(False)
    with watching_last_layer(model) as seen:

        def run(batch: list[int]) -> None:
            inputs = model_inputs(model, rows, batch)
            made[batch] = seen.embeddings(model(**inputs).logits, inputs).float().cpu().numpy()

        batches = passes(model, rows, batch_size)
        for batch in tqdm(batches, desc=f"probe, {len(rows)} rows", unit=" batches", mininterval=1):
            halved_on_oom(batch, run)
    return made


def logistic_regression(
    features: npt.NDArray[np.float32],
    truth: npt.NDArray[Any],
    bias: bool = True,
    target: Target = SINGLE_LABEL,
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Weights [fitted, hidden] and biases [fitted] of a logistic regression with scikit-learn's own L2 penalty, and the
    numbers of the labels that were fitted; without ``bias`` the biases are 0."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # otherwise the last digits depend on the number of cores
        make = partial(LogisticRegression, max_iter=1000, fit_intercept=bias)
        return target.linear(make, features.astype(np.float64), truth, truth.shape[-1])


@torch.no_grad()
def init_last_layer(model: PreTrainedModel, rows: Rows, batch_size: int, folder: Path) -> None:
    """Initialise the last layer; ``folder`` stores the regression for a resumed training.

    The weights of a label without rows are left unchanged.
    """

    def write(folder: Path) -> None:
        features = embeddings(model, rows, batch_size)
        target = registry.of_model(model)
        weights, biases, fitted = logistic_regression(features, rows.labels, layer.bias is not None, target)
        np.savez(folder / FILE, weights=weights, biases=biases, fitted=fitted)

    layer = last_layer(model)
    with np.load(build_once(folder, write) / FILE) as found:
        for own, its in ((layer.weight, found["weights"]), (layer.bias, found["biases"])):
            if own is not None:
                own[found["fitted"]] = torch.from_numpy(its).to(own)
