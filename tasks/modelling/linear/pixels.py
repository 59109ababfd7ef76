"""The linear baseline of images: a logistic regression on their grey pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from tasks.core.errors import UserError
from tasks.core.files import read_json, reading
from tasks.images import decoded, grey

WEIGHTS, CONFIG = "model.safetensors", "config.json"
Floats = npt.NDArray[np.float64]
SIDE = 28  # pixels of the grey squares


def values(images: Sequence[bytes]) -> Floats:
    """Grey levels from 0 to 1 of the images scaled to a small square, [images, SIDE * SIDE]."""
    small = [grey(decoded(image).resize((SIDE, SIDE))) for image in images]
    return np.stack(small).reshape(len(images), -1) / 255.0 if small else np.empty((0, SIDE * SIDE))


def fit(images: Sequence[bytes], given: Sequence[str], seed: int) -> tuple[dict[str, Floats], dict[str, Any]]:
    """The weights and configuration, fitted to encoded images and their labels. UserError for a single label."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if len(set(given)) < 2:
        raise UserError("the training rows have one label: a classifier needs two")
    with threadpool_limits(1):  # else the last digits depend on how many cores there are
        model = LogisticRegression(max_iter=1000, random_state=seed).fit(values(images), given)
    weights, biases = model.coef_, model.intercept_
    if len(weights) == 1:  # of two labels scikit-learn gives the difference of their logits
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    tensors = {"weight": np.ascontiguousarray(weights), "bias": np.ascontiguousarray(biases)}
    return tensors, {"model_type": "grey_pixels", "labels": list(model.classes_)}


def write(tensors: dict[str, Floats], config: dict[str, Any], folder: Path) -> None:
    """Write what ``fit`` gave."""
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config) + "\n")


def logits(images: Sequence[bytes], folder: Path) -> tuple[list[str], Floats]:
    """The labels of the classifier in ``folder``, and its logits [images, labels]."""
    with reading(folder / WEIGHTS, "weights"):
        found = load_file(folder / WEIGHTS)
    return read_json(folder / CONFIG)["labels"], values(images) @ found["weight"].T + found["bias"]
