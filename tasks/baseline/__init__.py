"""Fit the baseline that every model is compared with: ``python -m tasks.baseline``.

Of texts a linear classifier of n-grams, logistic regression or a linear support vector machine, whose features,
estimator and penalty are chosen on the validation rows, and which is calibrated on them
(``tasks/modelling/linear/fitting.py``). Of images a logistic regression on their grey pixels. It is fitted on the rows
that the model is trained on, and on nothing of the model. ``models/baseline/`` is a folder as ``model.family: linear``
makes it; ``score`` scores both windows with it.
"""

from __future__ import annotations

from tasks.modelling.linear.choices import Choices


class Params(Choices):
    """Section ``baseline``; nothing of it has to be set."""
