"""Short labelled mails, and the words that the tiny checkpoint's tokenizer knows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

WORDS = ["free", "money", "win", "prize", "click", "offer", "meeting", "list", "patch", "kernel", "thanks", "monday"]
HALF = len(WORDS) // 2


def labelled(*pairs):
    """A table of (text, label) with ids r0, r1, ..."""
    texts, labels = [text for text, _ in pairs], [label for _, label in pairs]
    ids = [f"r{i}" for i in range(len(pairs))]
    return pa.table({"id": ids, "text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.string())})


def mails(count, seed=0):
    """Spam draws its words from the first half of WORDS, ham from the second."""
    random = np.random.default_rng(seed)
    pools = {"spam": WORDS[:HALF], "ham": WORDS[HALF:]}
    return labelled(
        *(
            (" ".join(random.choice(pools[label], random.integers(3, 12))), label)
            for label in random.permutation(["spam", "ham"] * (count // 2)).tolist()
        )
    )
