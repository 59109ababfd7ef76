"""Explain the most confident mistakes and list suspicious labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from tasks.core import params, paths, recorded
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import private_folder, read_json, replacing, write_metrics
from tasks.core.rows import BETWEEN, contents, inputs, modality, whole
from tasks.core.tables import in_order_of, read_table
from tasks.dataset import layout
from tasks.dataset.labels import SINGLE, LabelFormat, label_format
from tasks.explain import EXPLAINED, SUSPECTS, Params
from tasks.explain.explained import Explained, Unexplained
from tasks.explain.page import ImageMistake, Mistake, coloured, page
from tasks.images import read_image, thumbnail
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.linear.choices import FAMILY
from tasks.redaction import excerpt
from tasks.tables.delimited import write_delimited

if TYPE_CHECKING:
    from tasks.explain.attribution import Explainer
    from tasks.explain.pictures import ExplainedImage
    from tasks.explain.weights import LinearExplainer

SHOWN = 20  # suspects on the page; all are in the csv
EXCERPT = 160  # characters of a suspect's text
SPLITS = ("train", "validation", "test")
ANSI = {"for": "\x1b[44;97m", "against": "\x1b[43;30m", "": ""}


def mistakes(test: pa.Table, scored: pa.Table, section: Params, written: LabelFormat = SINGLE) -> list[Mistake]:
    """The most confident mistakes on the test rows, explained."""
    own, places = _worst(test, scored, section)
    return list(_explained(test, own, places, section, written))


def _worst(test: pa.Table, scored: pa.Table, section: Params) -> tuple[pa.Table, list[int]]:
    """The test rows' scores, and the positions of the most confident mistakes."""
    own = in_order_of(scored, test["id"])
    wrong = np.array(own["prediction"].to_pylist()) != np.array(test["label"].to_pylist())
    confidence = own["confidence"].to_numpy()
    places = sorted(np.flatnonzero(wrong).tolist(), key=lambda i: (-confidence[i], test["id"][i].as_py()))
    return own, places[: section.mistakes]


def _explained(
    test: pa.Table, own: pa.Table, places: list[int], section: Params, written: LabelFormat
) -> Iterator[Mistake]:
    if not places:
        return
    from tqdm import tqdm

    explainer = _explainer(section)
    chosen = test.take(places)
    rows = tqdm(chosen.to_pylist(), desc="explain", unit=" mistakes")
    for row, text, said in zip(rows, contents(chosen), own.take(places).to_pylist(), strict=True):
        place = f"{row['source_file']}, row {row['source_row']}"
        wrong = sorted({*written.labels(said["prediction"])} ^ {*written.labels(row["label"])})
        about = next((label for label in wrong if label in explainer.labels), None)  # of several labels
        found = explainer.explain(text, other=row["label"], label=about)
        answers = (found.predicted, found.other) if found.other else (said["prediction"], row["label"])
        yield Mistake(row["id"], place, said["confidence"], answers, found)


def _explainer(section: Params) -> Explainer | LinearExplainer:
    """By the model's weights where it is linear, else by integrated gradients."""
    if read_json(paths.CLASSIFIER / "config.json").get("model_type") == FAMILY:
        from tasks.explain.weights import LinearExplainer

        return LinearExplainer(paths.CLASSIFIER)
    from tasks.explain.attribution import Explainer

    return Explainer(paths.CLASSIFIER, section)


def label_errors(splits: pa.Table, section: Params, seed: int, written: LabelFormat = SINGLE) -> list[dict[str, Any]]:
    """Suspected label errors with their source file and row; of more than ``max_rows`` rows, a sample is searched."""
    if not section.suspects:
        return []
    from tasks.explain.suspects import suspects, suspects_of_several

    rows = splits
    if len(splits) > section.max_rows:
        rows = splits.take(np.sort(np.random.default_rng(seed).choice(len(splits), section.max_rows, replace=False)))
    texts, limit = contents(rows), int(section.suspects * len(rows))
    search = suspects_of_several if written.several else suspects
    found = search(texts, rows["label"].to_pylist(), limit, section.folds, seed)
    where = ("id", "source_file", "source_row")
    return [
        {name: rows[name][suspect.row].as_py() for name in where}
        | {"label": suspect.label, "suggested": suspect.suggested, "quality": suspect.quality}
        | {"begins": excerpt(whole(texts[suspect.row]), EXCERPT)}
        for suspect in found
    ]


def explain_all(section: Params, seed: int, cells: LabelFormat = SINGLE) -> dict[str, Any]:
    """Write the page and the csv, and return the metrics. Of images no label errors are searched for."""
    test = read_table(layout.split("test"))
    if modality(test.column_names) == "image":
        return _write([], [], None, image_mistakes(test, read_table(layout.window("reference").scored), section))
    columns = ["id", *inputs(test.column_names), "label", "source_file", "source_row"]
    rows = pa.concat_tables([read_table(layout.SPLITS / f"{name}.parquet", columns) for name in SPLITS])
    found = label_errors(rows, section, seed, cells)
    try:
        explained = mistakes(test, read_table(layout.window("reference").scored), section, cells)
    except Unexplained as error:
        print(f"no mistake is explained: {error}", flush=True)
        explained = []
    return _write(explained, found, len(rows))


def image_mistakes(test: pa.Table, scored: pa.Table, section: Params) -> list[ImageMistake]:
    """The most confident mistakes on images, explained."""
    own, places = _worst(test, scored, section)
    if not places:
        return []
    from tqdm import tqdm

    from tasks.explain.pictures import ImageExplainer, data_uri, png

    explainer = ImageExplainer(paths.CLASSIFIER, section)
    found = []
    rows = tqdm(test.take(places).to_pylist(), desc="explain", unit=" mistakes")
    for row, score in zip(rows, own.take(places).to_pylist(), strict=True):
        place, explained = (
            f"{row['source_file']}, row {row['source_row']}",
            explainer.explain(row["image"], row["label"]),
        )
        pictures = thumbnail(row["image"]), data_uri(png(explained))
        answers = (score["prediction"], row["label"])
        found.append(ImageMistake(row["id"], place, score["confidence"], answers, explained, pictures))
    return found


def _write(
    explained: list[Mistake],
    found: list[dict[str, Any]],
    rows: int | None,
    images: Sequence[ImageMistake] = (),
) -> dict[str, Any]:
    """``rows``: the labels searched; None for images."""
    private_folder(paths.REPORTS)
    with replacing(EXPLAINED) as part:
        part.write_text(page(explained, found[:SHOWN], rows, images), encoding="utf-8")
    names = ("id", "label", "suggested", "quality", "source_file", "source_row", "begins")
    kinds = {"quality": pa.float64(), "source_row": pa.int64()}
    table = pa.table({name: pa.array([its[name] for its in found], kinds.get(name, pa.string())) for name in names})
    write_delimited(table, SUSPECTS, guarded=True)
    each: list[Explained | ExplainedImage] = [mistake.explained for mistake in explained]
    each += [mistake.explained for mistake in images]
    return {
        "mistakes": len(each),
        "complete": sum(one.complete for one in each),
        "largest_error": round(max((one.error for one in each), default=0.0), 3),
        "labelled_rows": rows or 0,
        "suspects": len(found),
    }


def explain_text(text: str, section: Params, text_pair: str | None = None) -> None:
    """Print one text, or a pair of them, coloured by its attributions, and the largest of them."""
    recorded.require_output(paths.CLASSIFIER)
    if checkpoint.modality_of(paths.CLASSIFIER) == "image":
        raise UserError(f"the model in {paths.CLASSIFIER} is for images: give one with --image")
    if not text.strip():
        raise UserError("--text is empty: give a text to explain")
    if (text_pair is not None) != checkpoint.reads_pairs(paths.CLASSIFIER):
        raise UserError("--text-pair is for a model of pairs of texts, and such a model needs it")
    found = _explainer(section).explain(text if text_pair is None else (text, text_pair))
    second = [(BETWEEN, 0.0), *found.second] if found.second is not None else []
    pieces = [*found.pieces, *second]
    print("".join(f"{ANSI[tone]}{piece}{chr(27)}[0m" if tone else piece for piece, tone, _ in coloured(pieces)))
    over, margins = found.other or "its absence", f"{found.margin:+.2f}, {found.masked_margin:+.2f} masked"
    print(f"\n{found.predicted} over {over}: logit margin {margins}")
    for piece, value in sorted(pieces, key=lambda pair: -abs(pair[1]))[:10]:
        print(f"  {value:+.3f}  {piece}")
    _print_completeness(found)


def _print_completeness(found: Explained | ExplainedImage) -> None:
    print(
        f"attributions complete within {found.error:.1%}"
        + ("" if found.complete else ": NOT complete, do not rely on them")
    )


def explain_image(file: Path, target: Path, section: Params) -> None:
    """Print the answer to one image, and write a picture of where it was found."""
    recorded.require_output(paths.CLASSIFIER)
    if checkpoint.modality_of(paths.CLASSIFIER) == "text":
        raise UserError(f"the model in {paths.CLASSIFIER} is for texts: give one with --text")
    if target.suffix.lower() != ".png" or target.exists():
        raise UserError(f"--output {target}: name a new file that ends in .png")
    data = read_image(file)
    from tasks.explain.pictures import ImageExplainer, png

    found = ImageExplainer(paths.CLASSIFIER, section).explain(data)
    with replacing(target) as part:
        part.write_bytes(png(found))
    print(f"{found.predicted} over {found.other}: logit margin {found.margin:+.2f}, {found.masked_margin:+.2f} masked")
    print(f"{target}: blue spoke for {found.predicted}, orange for {found.other}")
    _print_completeness(found)


def main() -> None:
    """Run the stage on the repository's paths."""
    section = params.load(Params, "explain")
    with threadpool_limits(section.threads):
        metrics = explain_all(section, params.general().seed, label_format())
    write_metrics(metrics, paths.metrics("explain"))
    print(f"{metrics['mistakes']} mistakes explained, {metrics['suspects']} suspected label errors: {EXPLAINED}")


if __name__ == "__main__":
    run(main)
