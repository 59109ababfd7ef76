"""The baseline's answers, beside the model's."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from tasks.core import paths
from tasks.core.rows import Modality, Text
from tasks.modelling.decision import softmax
from tasks.modelling.linear import pixels
from tasks.score import Params
from tasks.score.precision import in_fp32
from tasks.score.predict import Predicted, predict


def baseline_scores(
    ids: pa.ChunkedArray, values: Sequence[Text] | Sequence[bytes], kind: Modality, section: Params
) -> pa.Table:
    """The rows as schema.scored, in their order."""
    if kind == "text":
        return predict(values, paths.BASELINE, in_fp32(section)).table(ids)
    images = [value for value in values if isinstance(value, bytes)]
    labels, logits = pixels.logits(images, paths.BASELINE)
    return Predicted.of_probabilities(labels, softmax(logits) if images else logits).table(ids)
