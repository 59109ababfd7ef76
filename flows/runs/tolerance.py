"""How far the figures of a run may lie from the recorded ones where it is rebuilt on another kind of processor.

What no model was needed for is compared byte for byte. The weights that a training ends with are others there, and with
them a few answers and every score, so of these the metrics are compared: docs/reliability.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from flows.pipeline.graph import Dag
from flows.runs.record import LockedStage
from tasks.core import paths

TOLERANCES = {"accuracy": 0.02, "macro_f1": 0.02, "mean_confidence": 0.02, "log_loss": 0.05}
"""The largest difference of a figure, by its name; what is not here follows from the same scores."""
ROWS = 2  # that may be answered otherwise however few there are
STATED = ", ".join([*(f"{name} {most:g}" for name, most in TOLERANCES.items()), f"and {ROWS} rows more"])


def of_models(dag: Dag, known: Mapping[str, LockedStage]) -> Set[str]:
    """The stages that make a model, and those that read from one."""
    models = paths.CLASSIFIER.parent
    makers = [name for name, stage in known.items() if any(Path(out).is_relative_to(models) for out in stage.outs)]
    return {after for name in makers for after in dag.after(name)}


def beyond(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a metrics file says too far from the recorded one: name, recorded, rebuilt. A verdict has to be the same."""
    if then.get("drifted") != now.get("drifted"):
        yield "drifted", str(then.get("drifted")), str(now.get("drifted"))
    for name, most in TOLERANCES.items():
        if isinstance(value := then.get(name), int | float):
            other = now.get(name)
            near = isinstance(other, int | float) and abs(other - value) <= most + ROWS / max(then.get("rows") or 0, 1)
            if not near:
                yield name, str(value), str(other)
