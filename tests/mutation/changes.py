"""The mutants of a module."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.USub: ast.UAdd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "cumsum": "cumprod", "minimum": "maximum"}


class Mutant(NamedTuple):
    """A module with one change."""

    file: Path
    line: int
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def mutants(file: Path) -> list[Mutant]:
    """Every one-change variant of the module, in the order of its syntax tree."""
    source = file.read_text(encoding="utf-8")
    found = []
    for place, node in enumerate(ast.walk(ast.parse(source))):
        before = ast.unparse(node) if isinstance(node, ast.expr) else ""
        if _change(node):
            tree = ast.parse(source)
            _change(list(ast.walk(tree))[place])
            line = getattr(node, "lineno", 0)
            found.append(Mutant(file, line, f"{before} -> {ast.unparse(node)}", ast.unparse(tree)))
    return found


def unchanged(file: Path) -> Mutant:
    """The module as it is, written as its mutants are."""
    return Mutant(file, 0, "nothing", ast.unparse(ast.parse(file.read_text(encoding="utf-8"))))


def _change(node: ast.AST) -> bool:
    """Change the node in its place; False where there is nothing to change."""
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.UnaryOp)) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
    elif isinstance(node, ast.Name) and node.id in NAMES:
        node.id = NAMES[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        node.attr = NAMES[node.attr]
    else:
        return False
    return True


def statement_lines(source: str, line: int) -> range | None:
    """The lines of the innermost statement at a line, of a compound one its head; None outside of functions."""
    found: range | None = None
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.stmt) and node is not function and node.lineno <= line <= (node.end_lineno or 0):
                body = getattr(node, "body", None)
                end = body[0].lineno - 1 if body and line < body[0].lineno else node.end_lineno or 0
                found = range(node.lineno, end + 1) if not found or node.lineno >= found.start else found
    return found
