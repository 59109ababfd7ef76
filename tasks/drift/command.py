"""The drift verdict on any two tables: ``driftline drift``, or ``python -m tasks.drift`` with options.

Without options ``python -m tasks.drift`` is the pipeline's stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tasks.core.cli import file_option

KINDS = "csv, tsv, jsonl or parquet with text, prediction, …"


def drift(
    reference: Annotated[Path, file_option(f"The reference rows: {KINDS}.")],
    current: Annotated[Path, file_option("The rows to compare with them.")],
    output: Annotated[Path, file_option("Where the verdict goes, as JSON.")],
    reference_embeddings: Annotated[Path | None, file_option("Embeddings of the reference rows.", "NPY")] = None,
    current_embeddings: Annotated[Path | None, file_option("Embeddings of the current rows.", "NPY")] = None,
    report: Annotated[Path | None, file_option("Where the HTML page goes; without it none is written.")] = None,
) -> None:
    """Say whether one table of scored rows has drifted from another.

    The exit code is 0 whatever the verdict.
    """
    from tasks.drift.__main__ import compare

    compare((reference, reference_embeddings), (current, current_embeddings), output, report)
