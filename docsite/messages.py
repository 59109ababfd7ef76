"""The page of every message that refuses something: the sentences that the code raises, with … for what it fills in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docsite.cells import cell

TOP = Path(__file__).resolve().parents[1]
RAISED = {
    *("UserError", "Transient", "Copied", "EmptyWindow", "Unexplained", "UnreadableFile", "Unsettled"),
    *("FlowError", "Busy", "NotFetched", "NotPublished", "StageFailed", "TooLittleSpace", "UnknownStage"),
}
"""What ends a command with its message alone."""
OF_KEYS = "ValueError"
"""In a class of keys: pydantic's, which the message puts behind the file and the key."""
INTRODUCTION = """# Every message

What a command prints after `error:` when it refuses something (exit code 2), by the file that says it; `…` stands for
the names and figures of your case. Those that people meet most, with causes: [troubleshooting](../troubleshooting.md).
"""


def page() -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION]
    for place in ("tasks", "flows"):
        for file in sorted((TOP / place).glob("**/*.py")):
            if said := list(dict.fromkeys(messages(file))):
                parts += [f"## `{file.relative_to(TOP)}`\n", *(f"- {_shown(one)}" for one in said), ""]
    return "\n".join(parts)


def _shown(said: str) -> str:
    """As an item of a list: signs that Markdown would take for its own are escaped outside of `code`."""
    parts = cell(said).split("`")
    return "`".join(
        part if place % 2 else re.sub(r"([*_<>\[\]{}#])", r"\\\1", part) for place, part in enumerate(parts)
    )


def messages(file: Path) -> Iterator[str]:
    """Each message of the file's errors, in the order of its lines."""
    text = file.read_text(encoding="utf-8")
    known = RAISED | ({OF_KEYS} if "(Section)" in text else set())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known and node.args:
            said = _text(node.args[0]).strip()
            if said.strip("… "):
                yield said


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"
