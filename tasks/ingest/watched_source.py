"""Whether DVC watches a file that ``params.yaml`` names for one window only."""

from __future__ import annotations

from pathlib import Path

from tasks.core.errors import UserError

PIPELINE = Path("dvc.yaml")
LABELS = "data/labels"


def refuse_unwatched(key: str, source: str) -> None:
    """DVC runs a stage again for the deps that ``dvc.yaml`` names; a file it does not name would change unseen.

    ``key`` is where ``params.yaml`` names the file. ``ingest.source`` is a dep as shipped, and so is the folder of late
    labels; a window's own source is not.
    """
    if key == "ingest.source" or source == LABELS or not PIPELINE.exists():
        return
    if f"${{{key}}}" not in PIPELINE.read_text(encoding="utf-8"):
        raise UserError(
            f"{key} is set, but DVC does not watch it, so that its changes would go unseen: "
            f'in {PIPELINE}, under ingest, write "${{{key}}}" as that window\'s source, or among its deps'
        )
