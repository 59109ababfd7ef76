"""Export the trained classifier to ONNX, for machines without torch: ``driftline export``.

Needs the ``onnx`` extra: ``pip install -c requirements.lock -e '.[onnx]'``.

Beside the pipeline: it reads ``models/classifier`` and the test split and writes ``models/onnx/`` (``model.onnx``, the
tokenizer and the config) and ``reports/export.json``. The graph is made by torch's exporter; its inputs are
``input_ids`` and ``attention_mask`` [rows, tokens], both of any size, its output is ``logits`` [rows, labels]. A model
of pairs that reads which text a token is of has a third input, ``token_type_ids``.

Both the graph and its 8-bit quantization (``model.int8.onnx``) are compared with the trained model on every test row.
Unless the graph predicts the same label on 99.5 % of the rows nothing is written; the quantized one is kept only if it
does too and is faster on this machine.

With ``--hub`` it writes another folder, for the Hugging Face Hub (``tasks/export/hub.py``).

Not covered: GPUs, 16 bits, weights over 1.9 GB, and models whose inputs are not tokens. A plain recurrent network
cannot be exported: torch unrolls it to a fixed length.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.core.paths import REPORTS

ONNX = Path("models/onnx")
HUB = Path("models/hub")
EXPORT_REPORT = REPORTS / "export.json"

SAME_LABELS = 0.995  # minimum share of test rows with the same predicted label


@dataclass(frozen=True)
class Options:
    """How speed is measured."""

    threads: int = 2
    batch_size: int = 32
    repeat: int = 100
    """Texts run one at a time."""
