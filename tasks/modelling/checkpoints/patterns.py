"""Whether a tokenizer's patterns would take a stage's time or memory: tried on made texts, in a process that may end.

``tokenizer.json`` can hold regular expressions and replacements, which run on every text. Its library (Oniguruma) gives
up a single match after 10⁷ steps, but begins one at each character; what a replacement adds has no bound at all. Made
texts find what is slow on a long run of one sign; an expression that waits for certain words is not found.
"""

from __future__ import annotations

import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import UserError
from tasks.modelling.checkpoints import inspection

WITH_PATTERNS = re.compile(r'"type": "(Replace|Split|Prepend)"')  # steps with words of the checkpoint's author
UNITS = ("a", "A", "1", " ", "\n", ".", "-", "'", "_", "é", "漢", "ab", "aA", "a1", "a ", "a.", "a'", " \n", "1,")
END = "\N{SNOWMAN}" + string.printable  # fits no run, and holds what an expression may look for first
OWN_SIGNS = 40  # of the patterns themselves, that are tried too
LENGTH = 2_000  # characters of each text
GROWTH = 32  # times as long as it was, that a text may become; Unicode's own forms: 18
SECONDS, BYTES = 5, 2**31  # of processor time, and of memory
TRY = """
import json, resource, sys
given = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_CPU, (given["seconds"], given["seconds"]))
resource.setrlimit(resource.RLIMIT_AS, (given["bytes"], given["bytes"]))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from tokenizers import Tokenizer
try:
    made = Tokenizer.from_str(json.dumps(given["tokenizer"]))
except Exception:
    sys.exit()  # whoever loads the file says what is wrong with it
for text in given["texts"]:
    written = made.normalizer.normalize_str(text) if made.normalizer else text
    if len(written) > given["growth"] * len(text):
        sys.exit("grows")
    if made.pre_tokenizer:
        made.pre_tokenizer.pre_tokenize_str(written)
"""


def refuse_slow(folder: Path) -> None:
    """UserError where the patterns in the folder's ``tokenizer.json`` take more than ``SECONDS`` or ``BYTES`` on some
    texts of ``LENGTH`` characters, or make one ``GROWTH`` times as long. Costs nothing where it holds none."""
    file = folder / inspection.TOKENIZER
    values = inspection.read_object(file) if file.is_file() else {}
    steps = {name: values.get(name) for name in ("normalizer", "pre_tokenizer")}
    written = json.dumps(steps, ensure_ascii=False)
    if not WITH_PATTERNS.search(written):
        return
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}  # none of the words is needed
    given = {
        "tokenizer": {"version": "1.0", "added_tokens": [], "model": model, **steps},
        "texts": list(_texts(written)),
        "seconds": SECONDS, "bytes": BYTES, "growth": GROWTH,
    }  # fmt: skip
    words = [sys.executable, "-I", "-c", TRY]
    if subprocess.run(words, input=json.dumps(given), text=True, capture_output=True, check=False).returncode:
        raise UserError(
            f"{file}: a pattern of the tokenizer takes more than {SECONDS} s or {BYTES >> 30} GiB on texts of {LENGTH} "
            f"characters, or makes them more than {GROWTH} times as long: name another model"
        )


def _texts(patterns: str) -> Iterator[str]:
    """Long runs, each with an end that fits no run: there an expression turns back."""
    own = [one for one in dict.fromkeys(patterns) if one.isalnum()][:OWN_SIGNS]
    for unit in dict.fromkeys((*UNITS, *own)):
        yield unit * (LENGTH // len(unit)) + END
