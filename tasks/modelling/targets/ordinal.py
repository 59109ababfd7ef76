"""``task: ordinal``: each row has one label, of labels that have an order: 1 to 5 stars, low < medium < high.

The model is that of ``single_label``, its labels numbered from the lowest to the highest: softmax, cross-entropy and
one temperature; the prediction is the likeliest label. Why no head of its own, such as cumulative logits (McCullagh
1980) or CORAL (Cao et al. 2020):

- transformers' own pipeline turns logits into scores by a softmax or by sigmoids, and says the likeliest label. With
  another head it would not say what ``score`` says, unless it imported this repository.
- Cross-entropy is a proper score, so probabilities can be calibrated, and the thresholds and the estimated accuracy
  rest on that. Targets smeared over neighbouring labels (Diaz and Marathe 2019) would blunt them.
- How far off the mistakes are is measured (``tasks/evaluate/ordinal.py``), and not taken for granted.

The label with the least expected distance is not the likeliest one but the median of a row's probabilities. ``score``
writes them in order: whoever wants it adds them up from the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.core.task import Task
from tasks.modelling.targets.single_label import SingleLabel


@dataclass(frozen=True)
class Ordinal(SingleLabel):
    """Truth: the place of each row's label in the order, from 0, int64 [rows]. The config.json of a trained model names
    the labels in order and is else that of ``single_label``, as which it is read."""

    task: ClassVar[Task] = "ordinal"


ORDINAL = Ordinal()
