"""Whether DVC watches a file that ``params.yaml`` names for one window only."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import Refused

PIPELINE = Path("dvc.yaml")


def refuse_unwatched(key: str) -> None:
    """DVC runs a stage again for the deps that ``dvc.yaml`` names; a file it does not name would change unseen.

    ``key`` is where ``params.yaml`` names the file. ``ingest.source`` is a dep as shipped; a window's own is not.
    """
    if key == "ingest.source" or not PIPELINE.exists():
        return
    if f"${{{key}}}" not in PIPELINE.read_text(encoding="utf-8"):
        raise Refused(
            f"{key} is set, but DVC does not watch it, so that its changes would go unseen: "
            f'in {PIPELINE}, under ingest, write "${{{key}}}" as that window\'s source, or among its deps'
        )
