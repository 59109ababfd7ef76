"""What Label Studio's converter writes (its own code, in label-studio-sdk), from tasks as its server exports them."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from label_studio_sdk.converter import Converter

from tests.everyday.rows import ROWS

CONFIG = """<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text" choice="single">
<Choice value="billing"/><Choice value="bug"/><Choice value="praise"/></Choices></View>"""


def _annotation(number: int, label: str | None, at: str, **more) -> dict:
    chosen = [{"id": f"r{number}", "from_name": "sentiment", "to_name": "text", "type": "choices", "origin": "manual"}]
    result = [dict(chosen[0], value={"choices": [label]})] if label else []
    stamp = f"{at}.513742Z"
    return {
        "id": number,
        "completed_by": 1 + number % 2,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": stamp,
        "updated_at": stamp,
        "lead_time": 4.288,
        "result_count": 0,
        "task": number,
    } | more


def tasks() -> list[dict]:
    """The rows as annotated tasks, and three that are no training row: skipped, not annotated, two that disagree."""
    made = []
    for number, (text, label, at) in enumerate(ROWS, 1):
        made.append((text, at, [_annotation(number, label, at)]))
    at = "2026-03-31T12:00:00"
    made.append(("Skipped by the annotator", at, [_annotation(13, None, at, was_cancelled=True)]))
    made.append(("Not annotated yet", at, []))
    made.append(("Is this a bug or a bill?", at, [_annotation(15, "bug", at), _annotation(16, "billing", at)]))
    return [
        {
            "id": number,
            "annotations": annotations,
            "drafts": [],
            "predictions": [],
            "data": {"text": text, "created_at": time},
            "meta": {},
            "created_at": "2026-04-01T08:00:00.000000Z",
            "updated_at": "2026-04-01T09:00:00.000000Z",
            "inner_id": number,
            "total_annotations": len(annotations),
            "cancelled_annotations": 0,
            "total_predictions": 0,
            "project": 83,
        }
        for number, (text, time, annotations) in enumerate(made, 1)
    ]


def make(files: Path) -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "tasks.json")
        source.write_text(json.dumps(tasks(), ensure_ascii=False))
        converter = Converter(CONFIG, project_dir=folder)
        for kind, name, result in (
            ("JSON", "label_studio.json", "result.json"),
            ("JSON_MIN", "label_studio_min.json", "result.json"),
            ("CSV", "label_studio.csv", "result.csv"),
        ):
            out = Path(folder, kind)
            converter.convert(str(source), str(out), kind, is_dir=False)
            made = out / result if (out / result).exists() else next(out.iterdir())
            shutil.copy(made, files / name)
