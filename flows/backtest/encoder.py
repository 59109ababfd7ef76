"""Texts as a frozen encoder sees them: the mean of its last layer over the tokens. No stage: a backtest's probe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.modelling.checkpoints import checkpoint
from tasks.tokenize import Params, prepared

BATCH = 64


def encoded(texts: Sequence[str], model: Model, section: Params) -> npt.NDArray[np.float32]:
    """Embeddings [texts, width], each text cut as ``tokenize`` cuts it, by the checkpoint that ``model`` names.

    UserError for a family, whose weights are drawn at random: until it is trained it tells nothing.
    """
    import torch
    from tqdm import tqdm

    source = checkpoint.resolve(model)
    if source.family is not None:
        raise UserError(
            f"model.family is {source.family}, which is no pretrained encoder, and a probe needs one: use --refit full"
        )
    tokenizer, encoder = prepared(source, section), checkpoint.encoder(source)
    encoder.train(False)
    inputs = tokenizer(list(texts), truncation=True)["input_ids"]
    order = np.argsort([len(ids) for ids in inputs], kind="stable")
    made = np.empty((len(texts), encoder.config.hidden_size), np.float32)
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), BATCH), desc=f"encoding {len(texts)} texts", unit=" batches"):
            rows = order[start : start + BATCH]
            batch = tokenizer.pad({"input_ids": [inputs[i] for i in rows]}, return_tensors="pt")
            hidden, mask = encoder(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
            made[rows] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return made
