"""Records of a source of images: as bytes in a table, named by a table that lies beside them, or in folders named
after their labels (``imagefolder`` of Hugging Face's datasets).

Bytes are carried over as they are; ``validate`` is what decodes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.errors import UserError
from tasks.core.faults import sentence
from tasks.ingest import sources
from tasks.ingest.decoding import Opening
from tasks.ingest.parts import Part, batches
from tasks.ingest.streams import unchanged_while_read

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
NAME = "image_source"
"""The column that is added: what the source calls the image, or its path in the source."""


@dataclass
class _Folder:
    """The images of a source, by their paths, and which of them a row has named."""

    files: frozenset[str]
    opening: Opening
    named: set[str] = field(default_factory=set)

    def bytes(self, name: str | None, beside: Path) -> bytes | None:
        """The image that a table calls so; None where the source has none there. Nothing outside it is ever read."""
        path = os.path.normpath(beside / name) if name else ""
        if path not in self.files:
            return None
        self.named.add(path)
        return _bytes(Path(path), self.opening)


def read_image_parts(source: Path, files: Sequence[Path], column: str, opening: Opening, key: str) -> Iterator[Part]:
    """The source's records, ``column`` holding the bytes of their images; ``key`` is where ``params.yaml`` names it."""
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    tables = [file for file in files if file.suffix.lower() not in SUFFIXES]
    if not tables:
        yield from _by_folder(source, images, opening)
        return
    folder = _Folder(frozenset(os.path.normpath(file) for file in images), opening)
    for file in tables:
        for part in sources.read_parts(file, opening):
            yield _with_bytes(part, column, folder)
    if left := sorted(folder.files - folder.named):
        raise UserError(
            f"{key}: no row of {tables[0]} names {left[0]}"
            + (f" and {len(left) - 1} other images" if left[1:] else "")
            + f" in its column {column!r}: add them to it, or move them out of the source"
        )


def _by_folder(source: Path, images: Iterable[Path], opening: Opening) -> Iterator[Part]:
    """A record for each image, with the columns image, label (the name of its folder) and image_source."""
    for folder, files in groupby(images, key=lambda file: file.parent):
        label, first = None if folder == source else folder.name, 0
        for batch in batches(((file, _bytes(file, opening)) for file in files), lambda record: len(record[1])):
            table = pa.table(
                {
                    "image": pa.array([data for _, data in batch], pa.binary()),
                    "label": pa.array([label] * len(batch), pa.string()),
                    NAME: pa.array([file.relative_to(source).as_posix() for file, _ in batch], pa.string()),
                }
            )
            yield Part(folder.as_posix(), table, len(batch), lambda i, batch=batch: batch[i][1], first)  # type: ignore[misc]
            first += len(batch)


def _with_bytes(part: Part, column: str, folder: _Folder) -> Part:
    """The part with bytes in the place of names; bytes that stand in the table already are left as they are."""
    if column not in part.table.column_names:
        return part
    found = part.table[column]
    if pa.types.is_binary(found.type):
        return part
    if NAME in part.table.column_names:
        raise UserError(f"{part.file} has a column {NAME!r}, and Driftline writes one of that name: rename it")
    names, data = _names_and_bytes(found, part, column)
    if not folder.files and not any(data) and part.records:
        raise UserError(
            f"{part.file}: column {column!r} names images: let the source be the folder that holds them too"
        )
    beside = Path(part.file).parent
    pairs = zip(data, names.to_pylist(), strict=True)
    images = [folder.bytes(name, beside) if image is None else image for image, name in pairs]
    table = part.table.set_column(part.table.column_names.index(column), column, pa.array(images, pa.binary()))
    return replace(part, table=table.append_column(NAME, names))


def _names_and_bytes(found: pa.ChunkedArray, part: Part, column: str) -> tuple[pa.ChunkedArray, list[bytes | None]]:
    """Names and bytes of a column of names, or of ``{bytes, path}`` as the datasets library writes images."""
    if pa.types.is_string(found.type) or pa.types.is_null(found.type):
        return found.cast(pa.string()), [None] * len(found)
    kinds = [field.name for field in found.type] if pa.types.is_struct(found.type) else []
    if "bytes" not in kinds:
        raise UserError(
            f"{part.file}: column {column!r} is {found.type}, which is neither an image's bytes nor its name"
        )
    names = pc.struct_field(found, "path") if "path" in kinds else pa.chunked_array([pa.nulls(len(found))])
    return names.cast(pa.string()), pc.struct_field(found, "bytes").cast(pa.binary()).to_pylist()


def _bytes(path: Path, opening: Opening) -> bytes:
    with unchanged_while_read(path) as found:
        opening.budget.spend(found.st_size, path)
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(sentence(error) or f"{path} cannot be read: {error.strerror}") from None
