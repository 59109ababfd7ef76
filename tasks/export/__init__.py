"""The trained classifier as ONNX, for places without torch: ``driftline export``.

Beside the pipeline: it reads ``models/classifier`` and the test split and writes ``models/onnx/`` (``model.onnx``, the
tokenizer and the config) and ``reports/export.json``. The graph is torch's own exporter's; its inputs are ``input_ids``
and ``attention_mask`` [rows, tokens], both of any size, its output is ``logits`` [rows, labels].

Two things are held to the trained model on every test row: the graph, and a copy with its matrices in 8 bits
(``model.int8.onnx``). The first has to give the same label on 99.5 % of the rows or nothing is written; the second is
kept only where it does so and answers sooner on this machine.

Not covered: GPUs, 16 bits, weights over 1.9 GB, and models whose inputs are not tokens. A plain recurrent network
cannot be exported: torch's exporter unrolls it to one fixed length.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.core.paths import REPORTS

ONNX = Path("models/onnx")
EXPORT_REPORT = REPORTS / "export.json"

SAME_LABELS = 0.995  # of the test rows: what an export has to agree on


@dataclass(frozen=True)
class Options:
    """How the export is measured."""

    threads: int = 2
    batch_size: int = 32
    repeat: int = 100
    """Texts that are run one by one."""
