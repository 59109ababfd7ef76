"""Whether the mean over frozen layers is a stock model: ``python -m bench.default.stock [ROWS]``.

Writes the chosen mean, fitted on the split of seed 7, as a BertForSequenceClassification, reads it with
``transformers.pipeline`` and compares the labels of so many rows of the month after with those of ``bench.default``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from transformers import pipeline

from bench.default import mean_layer
from bench.default.arms import Fitted, Mean
from bench.default.plan import MEANS, choice
from bench.default.rows import LABELS, months, rows, split_of
from bench.default.states import SOURCE
from tasks.modelling.checkpoints import checkpoint

SEED = 7


@torch.no_grad()
def write(arm: Mean, fitted: Fitted, folder: Path) -> None:
    """The model and its tokenizer, which truncates as the rows were."""
    assert fitted.head is not None
    model, tokenizer = mean_layer.classifier(arm.layer), checkpoint.tokenizer(SOURCE)
    for weight, found in zip((model.classifier.weight, model.classifier.bias), fitted.head, strict=True):
        weight.copy_(torch.from_numpy(found))
    model.save_pretrained(folder)
    tokenizer.model_max_length = arm.length
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Print how many labels are the same."""
    torch.set_num_threads(1)
    name = choice(MEANS)
    assert name is not None, "choose comes first: python -m bench.default choose"
    arm = MEANS[name]
    assert isinstance(arm, Mean)
    numbers = months()["September"][: int(sys.argv[1]) if len(sys.argv) > 1 else 300]
    fitted = arm.fit(split_of(SEED), SEED)
    with tempfile.TemporaryDirectory() as folder:
        write(arm, fitted, Path(folder))
        classify = pipeline("text-classification", folder, truncation=True)
        said = [one["label"] for one in classify(rows()["text"].take(numbers).to_pylist())]
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    expected = [LABELS[label] for label in fitted.predict(numbers)]
    same = sum(a == b for a, b in zip(said, expected, strict=True))
    print(f"{name}: {type(classify.model).__name__}, {size:.0f} MB, {same} of {len(said)} labels the same")


if __name__ == "__main__":
    main()
