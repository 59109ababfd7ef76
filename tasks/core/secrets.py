"""Secrets out of whatever is shown, logged or recorded: in every form in which a message may quote them.

What counts as one: the values of environment variables whose names say so, passwords in addresses, and what follows
``Authorization``. Forms: as it is, quoted for an address, for JSON, for Python, for HTML or for a shell, in base64
alone or within ``user:password``, in hexadecimal digits, and each of these broken over lines.

Not covered: a secret that was cut in two by something other than white space, compressed, or encrypted.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
from collections.abc import Collection, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

SIGN = "***"
SHORTEST = 6
"""Characters of a value of the environment: a shorter one is no password, and stands in many a word."""
NAMED = re.compile(r"(?:^|_)(?:secret|token|password|passwd|(?<=_)pwd|api_?key|access_?key|auth_string)(?:_|$)", re.I)
"""``PWD`` alone is the shell's folder."""
OWN = "DRIFTLINE_SECRET_"
IN_ADDRESS = re.compile(r"(?<=://)([^/\s:@'\"]*):[^/\s@'\"]+(?=@)")
IN_HEADER = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[^\s'\",;]+")
GAP = r"(?:\\[rn]|\s)*"
"""Where a long value may be broken: a line's end, as it is or escaped, and the margin of the next line."""


def hidden(text: str, more: Collection[str] = ()) -> str:
    """The text without a secret of the environment or of ``more``, in whatever form."""
    found = _pattern(frozenset(_of_environment()) | frozenset(_pieces(set(more))))
    clean = found.sub(SIGN, text) if found else text
    return IN_HEADER.sub(rf"\1{SIGN}", IN_ADDRESS.sub(rf"\1:{SIGN}", clean))


def _of_environment() -> Iterator[str]:
    """The values of variables that are named for what they hold."""
    values = {value for name, value in os.environ.items() if name.startswith(OWN) or NAMED.search(name)}
    for piece in _pieces(values):
        if len(piece) >= SHORTEST:
            yield piece


def _pieces(values: Collection[str]) -> Iterator[str]:
    """Each value, the password of ``user:password`` and of an address, and each line of one that has several."""
    for value in {one.strip() for one in values} - {""}:
        yield value
        login = value.partition("://")[2].rpartition("@")[0] or ("" if "://" in value else value)
        yield from filter(None, [login.partition(":")[2]])
        lines = [line.strip() for line in value.splitlines()]
        yield from (line for line in lines if len(lines) > 1 and len(line) >= SHORTEST)


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """What finds any form of them, the longest first."""
    forms = sorted({form for secret in secrets for form in _forms(secret) if form}, key=len, reverse=True)
    return re.compile("|".join(map(_broken, forms))) if forms else None


def _broken(form: str) -> str:
    """The form, wherever it is broken over lines; a short one is looked for whole."""
    return GAP.join(map(re.escape, form)) if len(form) >= SHORTEST else re.escape(form)


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    plain = {secret, unquote(secret)}
    for text in plain:
        yield text
        for web in (quote(text), quote(text, ""), quote_plus(text)):
            yield web
            yield re.sub("%..", lambda code: code[0].lower(), web)
        for ascii_only in (True, False):
            once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            yield from (once, json.dumps(once, ensure_ascii=ascii_only)[1:-1])
        yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(text.encode())[2:-1], repr(repr(text))[2:-2])
        yield from (html.escape(text), html.escape(text, quote=False), shlex.quote(text))
    if len(secret) >= SHORTEST:
        yield from (raw.hex(), raw.hex().upper())
        yield from _in_base64(raw)


def _in_base64(raw: bytes) -> Iterator[str]:
    """Alone, and at each of the three places where it may begin in something longer, without the signs it shares."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before in range(3):
            text = encode(b"\0" * before + raw).decode().rstrip("=")
            shared_end = (before + len(raw)) % 3
            yield text[(0, 2, 3)[before] : len(text) - (1 if shared_end else 0)]
