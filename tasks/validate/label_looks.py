"""What a label looks like to a person, so that labels can be found that are meant to be one."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

NUMBER = re.compile(r"[+-]?\d{1,30}([.,]\d{1,30})?(e[+-]?\d\d?)?", re.ASCII)
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d{1,30})?", re.ASCII)
BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_])[-_ ]+(?=[^\W\d_])")
QUOTES = "'\"`"
TRUTH = {"true": "1", "false": "0"}
"""As one program writes what another writes as a number."""
LATIN = str.maketrans(
    "авекмнорстухіѕјһԁԛԝ" "αβεζηικμνορτυχ" "‘’‚‛′ʼ“”„‟″«»−",
    "abekmhopctyxisjhdqw" "abezhikmvoptyx" "''''''\"\"\"\"\"\"\"-",
)  # fmt: skip
"""Small letters of Cyrillic and Greek that look like Latin ones, large or small; curly quotes, and the minus sign."""


def look(label: str) -> str:
    """What a label looks like: without case, width, accents' composition, spaces and quotes around it, kinds of dashes,
    letters of other scripts that look the same, what stands between words, and signs nobody sees.

    Numbers are written in one way, so that 1, 1.0, 1,0, 1e0, 01 and true look the same.
    """
    spaced = "".join(" " if sign.isspace() else sign for sign in unicodedata.normalize("NFKC", label))
    shown = "".join(sign for sign in spaced if not _is_unseen(sign))
    folded = unicodedata.normalize("NFKC", shown.casefold()).translate(LATIN)
    dashed = "".join("-" if unicodedata.category(sign) == "Pd" else sign for sign in folded)
    bare = " ".join(dashed.split()).strip(QUOTES) or dashed.strip()
    return _number(bare) or TRUTH.get(bare) or BETWEEN_WORDS.sub(" ", bare)


def _number(folded: str) -> str:
    """The number that is written, in one way; empty where none is."""
    plain = folded.replace(",", "") if THOUSANDS.fullmatch(folded) else folded.replace(",", ".")
    return f"{Decimal(plain).normalize() + 0:f}" if NUMBER.fullmatch(plain) else ""


def _is_unseen(sign: str) -> bool:
    """Whether nobody sees a sign, or it only chooses how the one before it is drawn."""
    return unicodedata.category(sign) in ("Cf", "Cc") or "\ufe00" <= sign <= "\ufe0f"
