"""Tokenize the texts, or pairs of texts, of the splits: ``python -m tasks.tokenize``.

Reads ``data/splits/`` and the checkpoint's tokenizer; writes ``data/tokens/``: one table for each split,
``labels.json`` with the labels of train in order, and ``tokenizer/``, which truncates as it was done here and becomes
part of the trained model.

Images become pixels instead, resized by the checkpoint's image processor, which is saved in ``tokenizer/``;
``pixels.json`` has their shape and scaling (``tasks.modelling.pixels``).

With ``model.family: linear`` the texts stay as they are: its tokens are n-grams, which ``finetune`` finds.

Not covered: texts longer than ``max_length`` other than by truncation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from tqdm import tqdm

from tasks.core import params, paths
from tasks.core.cli import run
from tasks.core.errors import UserError
from tasks.core.files import write_json, write_metrics
from tasks.core.params import Section
from tasks.core.rows import TEXT_PAIR, Modality, contents, inputs, modality
from tasks.core.tables import columns_of, read_table, write_table
from tasks.dataset import layout
from tasks.dataset.labels import SINGLE, LabelFormat, label_format
from tasks.dataset.schema import PAIRS, PIXELS, TEXTS, TOKEN_TYPES, TOKENS
from tasks.modelling import pixels
from tasks.modelling.checkpoints import checkpoint, families, versions, watched

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPLITS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
CHUNK = 512  # texts or images processed at once
CHECKED = 16  # images on which the processor's scaling is checked
T = TypeVar("T")
UNKNOWN_WARNING = 0.05  # share of unknown tokens above which the checkpoint probably lacks this language


class Params(Section):
    """Section ``tokenize``."""

    max_length: int = Field(default=128, ge=4)
    """Maximum tokens per text, or of both texts of a pair together, special ones included."""
    truncation_side: Literal["right", "left"] = "right"
    """Which end of a long text is truncated; of a pair the longer text is, until both are as long."""


def prepared(source: checkpoint.Checkpoint, section: Params, pair: bool = False) -> PreTrainedTokenizerFast:
    """The checkpoint's tokenizer, set to truncate at ``max_length``; ``pair``: for pairs of texts."""
    tokenizer = checkpoint.tokenizer(source)
    limit = checkpoint.longest_input(source, tokenizer)
    if section.max_length > limit:
        raise UserError(
            f"tokenize.max_length is {section.max_length}, but {source.source} takes {limit} tokens at most"
        )
    tokenizer.model_max_length = section.max_length
    tokenizer.truncation_side = section.truncation_side
    tokenizer.init_kwargs.pop("max_length", None)  # of a truncation saved with the checkpoint
    if not checkpoint.takes_token_types(source, tokenizer, pair):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def label_ids(splits: dict[str, pa.Table], cells: LabelFormat = SINGLE) -> dict[str, int]:
    """The id of each label of train, in alphabetical order, or the lowest first where labels have an order."""
    labels = cells.in_order(cells.count(splits["train"]["label"].to_pylist()))
    if len(labels) < (1 if cells.several else 2):
        found = f"only {labels[0]!r}" if labels else "no label at all"
        raise UserError(f"data/splits/train.parquet has {found} in {len(splits['train'])} rows: a classifier needs two")
    for name, table in splits.items():
        if table["label"].null_count:
            raise UserError(f"data/splits/{name}.parquet has rows without a label: run `dvc repro split`")
    return {label: i for i, label in enumerate(labels)}


def learnable(splits: dict[str, pa.Table], labels: Collection[str], cells: LabelFormat = SINGLE) -> dict[str, pa.Table]:
    """The rows of each split whose label train has: the model cannot answer any other, and ``evaluate`` counts them as
    wrong. Where no validation row is left, train rows take their place, so that there is a loss to follow. Rows of
    several labels all stay; a label that train lacks is left out of theirs."""
    if cells.several:
        _say_lacking(splits, labels, cells)
        return splits
    known = {
        name: table.filter(pc.is_in(table["label"], pa.array(list(labels), pa.string())))
        for name, table in splits.items()
    }
    for name, table in known.items():
        if left_out := len(splits[name]) - len(table):
            print(f"{name}: {left_out} of {len(splits[name])} rows have labels that train lacks, and are left out")
    if "validation" in known and not len(known["validation"]):
        known["validation"] = splits["train"].slice(0, max(len(splits["validation"]), 1))
        print(f"warning: validation has no row of train's labels: {len(known['validation'])} train rows take its place")
    return known


def _say_lacking(splits: dict[str, pa.Table], labels: Collection[str], cells: LabelFormat) -> None:
    """Print how many rows have a label that is left out."""
    for name, table in splits.items():
        rows = sum(not set(cells.labels(cell)) <= set(labels) for cell in table["label"].to_pylist())
        if rows:
            print(f"{name}: {rows} of {len(table)} rows have labels that train lacks, which are left out")


def with_numbers(
    table: pa.Table, columns: Sequence[Any], ids: dict[str, int], schema: pa.Schema, cells: LabelFormat
) -> Any:
    """The table of ids, ``columns`` and the numbers of the labels."""
    place, kind = schema.get_field_index("label"), cells.numbers_type()
    schema = schema.set(place, schema.field(place).with_type(kind))
    return pa.table([table["id"], *columns, cells.numbers(table["label"].to_pylist(), list(ids))], schema=schema)


def write_labels(ids: dict[str, int], folder: Path, cells: LabelFormat, pair: bool) -> None:
    """``labels.json``: the labels in order, the task where a row may have several, and whether rows are pairs."""
    found = {"labels": list(ids)} | ({"task": cells.task} if cells.several else {})
    write_json(found | ({TEXT_PAIR: True} if pair else {}), folder / "labels.json")


def tokens(
    table: pa.Table,
    name: str,
    tokenizer: PreTrainedTokenizerFast,
    ids: dict[str, int],
    cells: LabelFormat = SINGLE,
) -> tuple[pa.Table, int]:
    """The rows of one split as schema.TOKENS, in order, and how many were truncated."""
    rows: list[list[int]] = []
    types: list[list[int]] = []
    truncated = 0
    texts = contents(table)
    if None in texts:
        raise UserError(f"data/splits/{name}.parquet: row {texts.index(None)} has no text: run `dvc repro split`")
    for chunk in tqdm(list(_chunks(texts)), desc=f"tokenize {name}", unit_scale=CHUNK, unit=" texts", mininterval=1):
        found = checkpoint.encoded(tokenizer, chunk)
        rows += found.ids
        types += found.types or []
        truncated += found.truncated
    if types:
        return with_numbers(table, [rows, types], ids, TOKENS.insert(2, TOKEN_TYPES), cells), truncated
    return with_numbers(table, [rows], ids, TOKENS, cells), truncated


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK))


def metrics(table: pa.Table, truncated: int, tokenizer: PreTrainedTokenizerFast) -> dict[str, int | float]:
    """Rows, tokens, share of rows truncated, and share of unknown tokens among those that are not special."""
    flat = pc.list_flatten(table["input_ids"])
    unknown = tokenizer.unk_token_id
    special = [i for i in tokenizer.all_special_ids if i != unknown]
    ordinary = len(flat) - pc.sum(pc.is_in(flat, value_set=pa.array(special, pa.int32()))).as_py() if len(flat) else 0
    unknowns = (pc.sum(pc.equal(flat, unknown)).as_py() or 0) if unknown is not None else 0
    return {
        "rows": len(table),
        "tokens": len(flat),
        "truncated_share": round(truncated / len(table), 6) if len(table) else 0.0,
        "unknown_share": round(unknowns / ordinary, 6) if ordinary else 0.0,
    }


def tokenize(
    splits: dict[str, pa.Table], tokenizer: PreTrainedTokenizerFast, folder: Path, cells: LabelFormat = SINGLE
) -> dict[str, object]:
    """Write ``folder`` and return its metrics by split; ``cells``: how labels are written."""
    ids = label_ids(splits, cells)
    splits = learnable(splits, ids, cells)
    tokenizer.save_pretrained(folder / "tokenizer")
    found: dict[str, object] = {}
    for name, table in splits.items():
        tokenized, truncated = tokens(table, name, tokenizer, ids, cells)
        found[name] = shares = metrics(tokenized, truncated, tokenizer)
        write_table(tokenized, folder / f"{name}.parquet")
        print_shares(name, shares)
    write_labels(ids, folder, cells, TEXT_PAIR in splits["train"].column_names)
    return found


def as_texts(
    splits: dict[str, pa.Table], kind: Modality, folder: Path, cells: LabelFormat = SINGLE
) -> dict[str, object]:
    """The same for a family that finds its own tokens, as the whole texts."""
    if kind == "image":
        raise UserError(
            "a linear model reads texts, but the rows are images: run `driftline preset vit`, or let model.name name a "
            "checkpoint for images"
        )
    ids, texts = label_ids(splits, cells), inputs(splits["train"].column_names)
    splits = learnable(splits, ids, cells)
    for name, table in splits.items():
        columns = [table[each] for each in texts]
        write_table(with_numbers(table, columns, ids, PAIRS if texts[1:] else TEXTS, cells), folder / f"{name}.parquet")
        print(f"{name}: {len(table)} texts")
    write_json({"tokenizer_class": None}, folder / "tokenizer" / "tokenizer_config.json")  # finetune makes it
    write_labels(ids, folder, cells, bool(texts[1:]))
    return {"tokens": "ngrams", **{name: {"rows": len(table)} for name, table in splits.items()}}


def pixelate(
    splits: dict[str, pa.Table], processor: Any, folder: Path, cells: LabelFormat = SINGLE
) -> dict[str, object]:
    """The same for images, as pixels."""
    ids, first = label_ids(splits, cells), splits["train"]["image"][:CHECKED].to_pylist()
    splits = learnable(splits, ids)
    processor.save_pretrained(folder / "tokenizer")
    shape = pixels.layout(processor, first)
    for name, table in splits.items():
        made: list[bytes] = []
        images = table["image"].to_pylist()
        for chunk in tqdm(
            list(_chunks(images)), desc=f"resize {name}", unit_scale=CHUNK, unit=" images", mininterval=1
        ):
            made += [image.tobytes() for image in pixels.resized(processor, chunk)]
        labels = [ids[label] for label in table["label"].to_pylist()]
        write_table(
            pa.table([table["id"], pa.array(made, pa.binary()), labels], schema=PIXELS), folder / f"{name}.parquet"
        )
        print(f"{name}: {len(table)} images")
    write_json(shape.to_json(), folder / pixels.LAYOUT_FILE)
    write_json({"labels": list(ids)}, folder / "labels.json")
    channels, height, width = shape.shape
    about = {"modality": "image", "channels": channels, "height": height, "width": width}
    return about | {name: {"rows": len(table)} for name, table in splits.items()}


def print_shares(name: str, shares: dict[str, int | float]) -> None:
    """Print what tokenizing came to, with a warning where many tokens are unknown."""
    print(
        f"{name}: {shares['rows']} rows, {shares['tokens']} tokens, {shares['truncated_share']:.1%} of rows truncated, "
        f"{shares['unknown_share']:.2%} of tokens unknown"
    )
    if shares["unknown_share"] > UNKNOWN_WARNING:
        print(
            f"warning: {shares['unknown_share']:.1%} of the tokens of {name} are unknown to this checkpoint "
            f"(above {UNKNOWN_WARNING:.0%}): it may lack the language or script; set model.name to another"
        )


def main() -> None:
    """Run the stage on the repository's paths."""
    section, model, written = params.load(Params, "tokenize"), params.general().model, label_format()
    watched.refuse_unwatched("model.name", model.name, "tokenize")
    versions.print_differing()
    classified = inputs(columns_of(layout.split("train")))
    kind = modality(classified)
    columns = ["id", *classified, "label"]
    splits: dict[str, pa.Table] = {name: read_table(layout.split(name), columns) for name in SPLITS}
    if not len(splits["train"]):
        raise UserError("data/splits/train.parquet has no rows: widen windows.reference or add data")
    source = checkpoint.resolve(model)
    if model.family in families.WITHOUT_CHECKPOINT:
        found: dict[str, object] = as_texts(splits, kind, paths.TOKENS, written)
    elif kind == "image":
        found = pixelate(splits, checkpoint.processor(source), paths.TOKENS, written)
    else:
        made = tokenize(splits, prepared(source, section, TEXT_PAIR in classified), paths.TOKENS, written)
        found = {"max_length": section.max_length, **made}
    write_metrics(found, paths.metrics("tokenize"))


if __name__ == "__main__":
    run(main)
