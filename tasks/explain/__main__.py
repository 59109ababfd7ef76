"""Explain the most confident mistakes and list suspicious labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import replacing, write_json
from tasks.core.rows import modality
from tasks.core.tables import read_table
from tasks.dataset import layout
from tasks.explain import EXPLAINED, SUSPECTS, Params
from tasks.explain.page import Mistake, coloured, page
from tasks.images import thumbnail
from tasks.modelling.checkpoints import checkpoint
from tasks.redaction import excerpt
from tasks.tables.delimited import write_delimited

SHOWN = 20  # suspects on the page; the rest stands in the csv
BEGINNING = 160  # characters of a suspicious text
SPLITS = ("train", "validation", "test")
ANSI = {"for": "\x1b[44;97m", "against": "\x1b[43;30m", "": ""}


def mistakes(test: pa.Table, scored: pa.Table, section: Params) -> list[Mistake]:
    """The test rows that the model is wrong about with most confidence, explained."""
    own, places = _worst(test, scored, section)
    return list(_explained(test, own["confidence"].to_numpy(), places, section))


def _worst(test: pa.Table, scored: pa.Table, section: Params) -> tuple[pa.Table, list[int]]:
    """The test rows' scores, and the places of those that are wrong with most confidence."""
    answers = {key: i for i, key in enumerate(scored["id"].to_pylist())}
    own = scored.take([answers[key] for key in test["id"].to_pylist()])
    wrong = np.array(own["prediction"].to_pylist()) != np.array(test["label"].to_pylist())
    confidence = own["confidence"].to_numpy()
    places = sorted(np.flatnonzero(wrong).tolist(), key=lambda i: (-confidence[i], test["id"][i].as_py()))
    return own, places[: section.mistakes]


def _explained(test: pa.Table, confidence: Any, places: list[int], section: Params) -> Iterator[Mistake]:
    if not places:
        return
    from tqdm import tqdm

    from tasks.explain.attribution import Explainer

    explainer = Explainer(paths.CLASSIFIER, section)
    for row, i in zip(tqdm(test.take(places).to_pylist(), desc="explain", unit=" mistakes"), places, strict=True):
        place = f"{row['source_file']}, row {row['source_row']}"
        yield Mistake(row["id"], place, float(confidence[i]), explainer.explain(row["text"], against=row["label"]))


def doubted(splits: pa.Table, section: Params, seed: int) -> list[dict[str, Any]]:
    """Suspicious labels with their place in the source; of more than ``max_rows`` rows, so many are looked through."""
    if not section.suspects:
        return []
    from tasks.explain.suspects import suspects

    rows = splits
    if len(splits) > section.max_rows:
        rows = splits.take(np.sort(np.random.default_rng(seed).choice(len(splits), section.max_rows, replace=False)))
    texts, most = rows["text"].to_pylist(), int(section.suspects * len(rows))
    found = suspects(texts, rows["label"].to_pylist(), most, section.folds, seed)
    where = ("id", "source_file", "source_row")
    return [
        {name: rows[name][its.row].as_py() for name in where}
        | {"label": its.label, "suggested": its.suggested, "quality": its.quality}
        | {"begins": excerpt(texts[its.row], BEGINNING)}
        for its in found
    ]


def explain_all(section: Params, seed: int) -> dict[str, Any]:
    """Write the page and the list; the figures. Mistakes about images are shown and not explained; the page says so."""
    test = read_table(layout.split("test"))
    if modality(test.column_names) == "image":
        return _write([], [], None, shown(test, read_table(layout.window("reference").scored), section))
    columns = ["id", "text", "label", "source_file", "source_row"]
    rows = pa.concat_tables([read_table(layout.SPLITS / f"{name}.parquet", columns) for name in SPLITS])
    found = doubted(rows, section, seed)
    explained = mistakes(test, read_table(layout.window("reference").scored), section)
    return _write(explained, found, len(rows))


def shown(test: pa.Table, scored: pa.Table, section: Params) -> list[dict[str, Any]]:
    """The images that the model is most confidently wrong about, small."""
    own, places = _worst(test, scored, section)
    rows = zip(test.take(places).to_pylist(), own.take(places).to_pylist(), strict=True)
    return [
        {"id": row["id"], "label": row["label"], "said": its["prediction"], "confidence": its["confidence"]}
        | {"place": f"{row['source_file']}, row {row['source_row']}", "picture": thumbnail(row["image"])}
        for row, its in rows
    ]


def _write(
    explained: list[Mistake], found: list[dict[str, Any]], rows: int | None, images: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """``rows`` is how many labels were looked through; None: none could be."""
    with replacing(EXPLAINED) as part:
        part.write_text(page(explained, found[:SHOWN], rows, images), encoding="utf-8")
    names = ("id", "label", "suggested", "quality", "source_file", "source_row", "begins")
    kinds = {"quality": pa.float64(), "source_row": pa.int64()}
    table = pa.table({name: pa.array([its[name] for its in found], kinds.get(name, pa.string())) for name in names})
    write_delimited(table, SUSPECTS, guarded=True)
    return {
        "mistakes": len(explained),
        "complete": sum(its.explained.complete for its in explained),
        "largest_error": round(max((its.explained.error for its in explained), default=0.0), 3),
        "labelled_rows": rows or 0,
        "suspects": len(found),
    }


def explain_text(text: str, section: Params) -> None:
    """Print one text, coloured, and what its attributions come to."""
    if checkpoint.reads(paths.CLASSIFIER) == "image":
        raise UserError(f"the model in {paths.CLASSIFIER} reads images, whose answers are not explained")
    from tasks.explain.attribution import Explainer

    if not text.strip():
        raise UserError("--text is empty: there is nothing to explain")
    its = Explainer(paths.CLASSIFIER, section).explain(text)
    print("".join(f"{ANSI[tone]}{piece}{chr(27)}[0m" if tone else piece for piece, tone, _ in coloured(its.pieces)))
    print(f"\n{its.said} rather than {its.against}: the logits are {its.margin:+.2f} apart, {its.empty:+.2f} masked")
    for piece, value in sorted(its.pieces, key=lambda pair: -abs(pair[1]))[:10]:
        print(f"  {value:+.3f}  {piece}")
    print(f"complete within {its.error:.1%}" + ("" if its.complete else ": NOT complete, read it with care"))


def main() -> None:
    """Run the stage on the repository's paths."""
    section = params.load(Params, "explain")
    with threadpool_limits(section.threads):
        figures = explain_all(section, params.general().seed)
    write_json(figures, paths.metrics("explain"))
    print(f"{figures['mistakes']} mistakes explained, {figures['suspects']} suspicious labels: {EXPLAINED}")


if __name__ == "__main__":
    run(main)
