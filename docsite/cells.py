"""Text for the cells of tables and the items of lists."""

from __future__ import annotations

import re


def cell(text: str) -> str:
    """One line, without a bar of its own; reST's double backquotes become Markdown's single ones."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split())).replace("``", "`")
