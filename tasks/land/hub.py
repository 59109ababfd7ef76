"""Land one split of a dataset of the Hugging Face hub at a given revision: ``hf://name@revision[/config][:split]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core.errors import UserError
from tasks.land import Address, Source, Transient
from tasks.land.limits import Limits
from tasks.land.parts import Parts
from tasks.land.rows import land_rows, landed_rows, landed_schema, missing_rows_note, require_same_columns
from tasks.modelling.checkpoints import loader

BATCH_ROWS = 2_000
_ADDRESS = re.compile(r"hf://(?P<path>[^@:]+)@(?P<revision>[^/:@]+)(/(?P<config>[^:]+))?(:(?P<split>\w+))?")


def land_hub(name: str, source: Source, address: Address, parts: Parts, _: bool = False) -> list[str]:
    """Land the rows of the split that have not landed yet; class labels land as their names."""
    dataset = _load(name, address, parts.limits)
    Limits(name, parts.limits.most).spend_rows(len(dataset))
    columns = source.columns or dataset.column_names
    if missing := [column for column in columns if column not in dataset.column_names]:
        raise UserError(f"{name}: no column {', '.join(missing)}; there are {', '.join(dataset.column_names)}")
    before = landed_schema(parts)
    if before is not None:
        require_same_columns(columns, before, name)
        columns = before.names
    known = landed_rows(parts)
    land_rows(parts, _batches(dataset.select_columns(columns), before, name), known, len(dataset))
    return missing_rows_note(known)


def _load(name: str, address: Address, limits: Limits) -> Any:
    match = _ADDRESS.fullmatch(address.url)
    if match is None:
        raise UserError(f"{name}: write hf://name@revision, hf://name@revision:split or …@revision/config:split")
    from datasets.exceptions import DatasetsError

    path, where = match["path"], {"revision": match["revision"], "token": address.secret}
    try:
        _refuse_large(name, match["path"], match["revision"], address.secret, limits)
        split = match["split"]
        if split is None:
            split, *more = loader.split_names(path, match["config"], **where)
            if more:
                raise UserError(
                    f"{name}: name one of the splits {split}, {', '.join(more)}, as in {address.url}:{split}"
                )
        return loader.data_set(path, split, match["config"], **where)
    except ConnectionError as error:
        raise Transient(f"{name}: the hub cannot be reached: {error}") from None
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{name}: {address.url} cannot be loaded: {error}") from None


def _refuse_large(name: str, path: str, revision: str, token: str | None, limits: Limits) -> None:
    """UserError where the hub says that the dataset's files are larger than ``land.max_bytes``, before they come."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if Path(path).exists() or constants.HF_HUB_OFFLINE:
        return
    try:
        found = HfApi().dataset_info(path, revision=revision, files_metadata=True, token=token)
    except (HfHubHTTPError, OSError, ValueError):  # loading it says what is wrong
        return
    Limits(name, limits.most).spend_bytes(sum(file.size or 0 for file in found.siblings or ()))


def _batches(dataset: Any, before: pa.Schema | None, where: str) -> Iterator[pa.Table]:
    labels = {name: feature.names for name, feature in dataset.features.items() if hasattr(feature, "names")}
    for batch in dataset.with_format("arrow").iter(BATCH_ROWS):
        table = pa.table({name: _plain(batch[name], labels.get(name)) for name in batch.column_names})
        for field in before or ():
            if (found := table.schema.field(field.name).type) != field.type:
                raise UserError(
                    f"{where}: column {field.name} was {field.type} and is now {found}: land it under a new name"
                )
        yield table


def _plain(column: pa.ChunkedArray, labels: list[str] | None) -> pa.ChunkedArray:
    if labels is not None:  # -1: no label
        indices = pa.array([None if one is None or one < 0 else one for one in column.to_pylist()], pa.int64())
        return pa.array(labels, pa.string()).take(indices)
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
