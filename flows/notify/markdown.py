"""Texts for pages that are Markdown and for chats: what comes from data stands there as it is, and does nothing."""

from __future__ import annotations

import re

from tasks.core.secrets import hidden
from tasks.core.shown import one_line, visible

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
BREAK = "  \n"
ACTIVE = re.compile(
    r"(?<=\])(?=[(:\[])|(?<=<)(?=[\w/!?@#&+-])|(?<=(?<!\w)@)(?=\w)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=`)(?=`)"
)
"""Where a chat would see a link, a tag, a mention, an address or code begin."""
BLOCK = re.compile(r"#{1,6}(\s|$)|([-+*]|\d+[.)])(\s|$)|>|```|~~~|\||[-=_*\s]+$")
"""What at the beginning of a line makes it a heading, a list, a quotation, code, a table or a rule."""


def escaped(text: str) -> str:
    """A value on one line, every sign of which Markdown shows as it is."""
    return PUNCTUATION.sub(r"\\\1", one_line(text))


def escaped_lines(text: str) -> str:
    """Lines of our own around values: each stays a line, and is no heading, list or block.

    One of Prefect's pages makes a link of every address that it finds in a text, escaped or not: a space breaks it.
    """
    return BREAK.join(escaped(line.lstrip()) for line in plain(text).splitlines())


def listed(text: str) -> str:
    """The lines as a list, which a narrow page wraps; a value can be nothing but the text of its line, as above."""
    lines = (line.strip() for line in plain(text).split("\n"))
    return "\n".join(f"- {escaped(line)}" for line in lines if line)


def unescaped(markdown: str) -> str:
    """The text of ``escaped_lines`` again, for a terminal."""
    return ESCAPED.sub(r"\1", markdown.replace(BREAK, "\n"))


def fenced(text: str, language: str = "") -> str:
    """A block of code that no line of the text can end."""
    content = visible(hidden(text))
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"


def cell(text: str) -> str:
    """Of a table: one of Prefect's two pages reads it as Markdown, the other as text, so no sign may be added."""
    said = plain(one_line(text)).lstrip()
    return f"\u00a0{said}" if BLOCK.match(said) else said


def plain(text: str) -> str:
    """For a chat or a mail, whichever way it is marked up: a space goes where a link or a mention would begin."""
    return ACTIVE.sub(" ", visible(hidden(text)))
