"""How a window's change compares with those of the windows watched before it, by their records. No Prefect."""

from __future__ import annotations

import json
from typing import Any

from flows.errors import GitFailed
from flows.machine.git import git
from flows.machine.home import Home
from flows.runs import record
from tasks.core import paths

MOST = 60  # windows, the newest


def beside(home: Home, flow: str, champion: dict[str, Any], window: Any, drift: dict[str, Any]) -> dict[str, Any]:
    """How many windows the same champion was watched on before, and by signal how many of them changed as much.

    Compared is the effect, the largest change in a share of rows. A window that was watched twice counts once. Not
    covered: that a small window changes more by chance than a large one.
    """
    seen: dict[str, dict[str, Any]] = {}
    for past in record.records(home.origin):
        said = record.show(home.origin, past)
        if said["flow"] != flow or said["outcome"] != "completed" or said["champion"] != champion:
            continue
        if said["window"] != window and (key := json.dumps(said["window"])) not in seen:
            seen[key] = _effects(home, past)
        if len(seen) == MOST:
            break
    now = _of(drift)
    counts = {name: sum(effects.get(name, 0.0) >= effect for effects in seen.values()) for name, effect in now.items()}
    return {"windows": len(seen), "changed_as_much": counts}


def _effects(home: Home, past: record.Record) -> dict[str, float]:
    """By signal; none where the record has no verdict."""
    try:
        return _of(json.loads(git(home.origin, "show", f"{past.commit}:{paths.metrics('drift')}")))
    except GitFailed:
        return {}


def _of(drift: dict[str, Any]) -> dict[str, float]:
    return {name: signal["effect"] for name, signal in drift.get("signals", {}).items() if "effect" in signal}


def words(found: dict[str, Any], drift: dict[str, Any]) -> str | None:
    """Of the signal that changed most among those that are significant; None where there is nothing to say."""
    moved = {name: one for name, one in drift.get("signals", {}).items() if one.get("significant")}
    if not moved or not found["windows"]:
        return None
    most = max(moved, key=lambda name: moved[name]["effect"])
    return (
        f"{found['changed_as_much'][most]} of {found['windows']} windows watched before under this champion changed as "
        f"much in {most}"
    )
