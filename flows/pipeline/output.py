"""What DVC and its stages print, line by line, without what helps nobody here; imported without Prefect."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

CHATTER = re.compile(r"\s*|.*lock file 'dvc.lock'|To (track|enable) .*:|\s+(git add|dvc config) .*|Use `dvc push` .*")
"""DVC's hints on what to type next, at every stage."""


def lines(chunks: Iterator[bytes], on_progress: Callable[[str], None]) -> Iterator[str]:
    """Whole lines of a byte stream.

    Of one redrawn with carriage returns, a progress bar, only the last state counts; each goes to ``on_progress``.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = state = ""
    for chunk in chunks:
        *parts, rest = re.split(r"(\r|\n)", rest + decode(chunk))
        for text, end in zip(parts[::2], parts[1::2], strict=True):
            state = text or state
            if end == "\r":
                on_progress(state)
            else:
                yield state
                state = ""
    if rest or state:
        yield rest or state
