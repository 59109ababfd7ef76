"""A run's record, its clone, and what is done with both; ``Run`` is all of it for a notebook."""

from flows.runs.run import Run

__all__ = ["Run"]
